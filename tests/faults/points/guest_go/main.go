// SPDX-License-Identifier: Apache-2.0

// Guest_go is guest.c in Go:
//
//	guest_go NAME COUNTS [group|later|call|pipeline]
package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	shm "github.com/xll-gen/shm/go"
)

// As in counts.h, but in words of four counts: there are no atomic bytes here.
const (
	counted      = 4
	countedCalls = 1 << 20
)

var counts *[counted * countedCalls / 4]uint32

func count(caller, sequence uint32) {
	at := caller%counted*countedCalls + sequence%countedCalls
	atomic.AddUint32(&counts[at/4], 1<<(at%4*8))
}

func answer(request *shm.Request, response []byte) (int, error) {
	if request.MessageID == messageGoexit {
		runtime.Goexit()
	}
	if request.MessageID == messageFail {
		return 0, fmt.Errorf("%0*d, which does not fit", 2*len(response), 0)
	}
	var head [requestHeadSize]byte
	copy(head[:], request.Data)
	count(binary.LittleEndian.Uint32(head[:]), binary.LittleEndian.Uint32(head[4:]))
	if us := binary.LittleEndian.Uint32(head[stampSize:]); us != 0 {
		pause(request, time.Duration(us)*time.Microsecond)
	}
	size := int(request.MessageID & stampedSizeBits)
	fillResponse(response[:size], request.Data, hash(request.Data))
	return size, nil
}

// answerInPlace is answer by a handle.
func answerInPlace(request *shm.Request, response shm.ResponseBuffer) error {
	size, err := answer(request, response.Bytes())
	if err != nil {
		return err
	}
	return response.Send(size)
}

// answerLater leaves the answer of every other request to a goroutine; the others wait for what their callers do.
func answerLater(request *shm.Request, response []byte) (int, error) {
	if request.TransportID>>7%2 == 0 {
		return answer(request, response)
	}
	if request.MessageID == messageGoexit || request.MessageID == messageFail {
		request.Later()
		return answer(request, response)
	}
	p := request.Later()
	go func() {
		var answered [4096]byte
		size, err := answer(p.Request(), answered[:])
		if err := p.Respond(answered[:size], err); err != nil {
			fail(err)
		}
	}()
	return 0, nil
}

// pause is as long as told, or until nobody waits for the answer any more.
func pause(request *shm.Request, d time.Duration) {
	select {
	case <-request.Context().Done():
	case <-time.After(d):
	}
}

func say(line string) { os.Stdout.WriteString(line + "\n") }

func fail(err error) {
	say("failed " + strings.ReplaceAll(err.Error(), "\n", " "))
	os.Exit(1)
}

func mapCounts(path string) {
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		fail(err)
	}
	memory, err := syscall.Mmap(int(file.Fd()), 0, counted*countedCalls, syscall.PROT_READ|syscall.PROT_WRITE,
		syscall.MAP_SHARED)
	if err != nil {
		fail(err)
	}
	file.Close()
	counts = (*[counted * countedCalls / 4]uint32)(unsafe.Pointer(&memory[0]))
}

func main() {
	if len(os.Args) != 3 && len(os.Args) != 4 {
		fmt.Fprintln(os.Stderr, "usage: guest_go NAME COUNTS [group|later|call|pipeline]")
		os.Exit(2)
	}
	if len(os.Args) == 4 && os.Args[3] == "call" {
		callHost(os.Args[1])
		return
	}
	if len(os.Args) == 4 && os.Args[3] == "pipeline" {
		keepHostBusy(os.Args[1])
		return
	}
	mapCounts(os.Args[2])
	var options []shm.Option
	if folder := os.Getenv("SEALED_FOLDER"); folder != "" {
		options = append(options, shm.WithSealedFolder(folder))
	}
	if len(os.Args) == 4 && os.Args[3] == "spare" {
		options = append(options, shm.WithWaitForSlots())
	} else if len(os.Args) == 4 {
		options = append(options, shm.WithSlotsPerWorker(2))
	}
	client, err := shm.ConnectContext(context.Background(), os.Args[1], options...)
	if err != nil {
		fail(err)
	}
	client.HandleMessage(answer)
	if len(os.Args) == 4 && os.Args[3] == "group" {
		client.HandleMessage(shm.InPlace(answerInPlace))
	}
	if len(os.Args) == 4 && os.Args[3] == "later" {
		client.HandleMessage(answerLater)
	}
	if err := client.Start(); err != nil {
		fail(err)
	}
	say("ready")
	go func() {
		var line [64]byte
		os.Stdin.Read(line[:])
		client.Close()
	}()
	if err := client.Wait(); err != nil {
		say("ended " + err.Error())
	} else {
		say("ended")
	}
	client.Close()
}
