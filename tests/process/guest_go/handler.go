// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync/atomic"
	"time"

	shm "github.com/xll-gen/shm/go"
)

var (
	executions [countedCallers * countedSequences]uint32
	changes    uint32

	errRefused = errors.New(failureText)
)

// handle answers as message.h says.
func handle(request *shm.Request, response []byte) (int, error) {
	if isStamped(request.MessageID) {
		return answerStamped(request, response), nil
	}
	switch request.MessageID {
	case messageNormal:
		return put(response, request.Data), nil
	case messageFail:
		return 0, errRefused
	case messagePanic:
		panic(failureText)
	case messageGoexit:
		runtime.Goexit()
	case messageOversize:
		return len(response) + 1, nil
	case messageUnknown:
		return 0, fmt.Errorf("message %d: %w", request.MessageID, shm.ErrUnknownMessage)
	case messageUntilCancelled:
		say("waiting")
		<-request.Context().Done()
		say("cancelled")
		return 0, nil
	case messageDeadline:
		return tellDeadline(request, response), nil
	case messageExecutions:
		return tellExecutions(request, response)
	case messageChanges:
		return putNumbers(response, atomic.LoadUint32(&changes)), nil
	}
	return reveal(request, response), nil
}

func answerStamped(request *shm.Request, response []byte) int {
	size := int(request.MessageID & stampedSizeBits)
	if request.MessageID == messageAnnounce {
		size = len(response)
	}
	seed := hash(request.Data)
	if len(request.Data) >= stampSize {
		if at, ok := stampOf(request.Data); ok {
			atomic.AddUint32(&executions[at], 1)
		}
	}
	if request.MessageID == messageAnnounce {
		say("handling")
	}
	if len(request.Data) >= stampWithSleepSize {
		if us := binary.LittleEndian.Uint32(request.Data[stampSize:]); us != 0 {
			time.Sleep(time.Duration(us) * time.Microsecond)
		}
	}
	if hash(request.Data) != seed {
		atomic.AddUint32(&changes, 1)
	}
	if size <= len(response) {
		fillResponse(response[:size], request.Data, seed)
	}
	return size
}

// stampOf says where a request's executions are counted.
func stampOf(data []byte) (at uint32, ok bool) {
	caller, sequence := binary.LittleEndian.Uint32(data), binary.LittleEndian.Uint32(data[4:])
	return caller*countedSequences + sequence, caller < countedCallers && sequence < countedSequences
}

func tellDeadline(request *shm.Request, response []byte) int {
	at, said := request.Context().Deadline()
	if !said {
		return put(response, []byte("0"))
	}
	return put(response, []byte(fmt.Sprint(monotonicNow()+time.Until(at).Nanoseconds())))
}

// answerLater leaves each answer to a goroutine.
func answerLater(request *shm.Request, _ []byte) (int, error) {
	p := request.Later()
	go func() {
		size, err := handle(p.Request(), p.Response())
		if err := p.Respond(p.Response()[:size], err); err != nil {
			fail(err)
		}
	}()
	return 0, nil
}

func put(response, from []byte) int {
	if len(from) <= len(response) {
		copy(response, from)
	}
	return len(from)
}

func putNumbers(response []byte, numbers ...uint32) int {
	bytes := make([]byte, 0, 4*len(numbers))
	for _, n := range numbers {
		bytes = append(bytes, byte(n), byte(n>>8), byte(n>>16), byte(n>>24))
	}
	return put(response, bytes)
}

func reveal(request *shm.Request, response []byte) int {
	return putNumbers(response, request.MessageID, uint32(request.Slot), uint32(os.Getpid()), 0,
		uint32(request.TransportID), uint32(request.TransportID>>32))
}

func tellExecutions(request *shm.Request, response []byte) (int, error) {
	if len(request.Data) < stampSize {
		return 0, errRefused
	}
	at, ok := stampOf(request.Data)
	if !ok {
		return 0, errRefused
	}
	return putNumbers(response, atomic.LoadUint32(&executions[at])), nil
}
