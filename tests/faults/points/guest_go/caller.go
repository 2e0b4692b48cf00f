// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/binary"
	"errors"
	"os"
	"sync"
	"sync/atomic"
	"time"

	shm "github.com/xll-gen/shm/go"
)

// messageStamped asks for a response of 16 bytes.
const messageStamped = 0x10000010

// ended: the standard input has ended, or the host is gone.
var ended uint32

// callOn calls the host again and again; some of the calls give up.
func callOn(client *shm.Client) {
	request, response := make([]byte, 200), make([]byte, 2048)
	binary.LittleEndian.PutUint32(request[stampSize:], 1000) // microseconds that a handler sleeps if told to
	for i := 0; atomic.LoadUint32(&ended) == 0; i++ {
		messageID, timeout, size := uint32(shm.MessageNormal), time.Second, i%40
		if i%8 == 7 {
			messageID, timeout = messageStamped, 300*time.Microsecond
		}
		if i%2 == 1 {
			size = len(request)
		}
		ctx, cancel := context.WithTimeout(context.Background(), timeout)
		var err error
		if i%4 < 2 {
			err = callInPlace(ctx, client, messageID, request[:size])
		} else {
			_, err = client.Call(ctx, messageID, request[:size], response)
		}
		cancel()
		hasty := errors.Is(err, shm.ErrTimeout) || errors.Is(err, shm.ErrTimeoutMaybeExecuted) ||
			errors.Is(err, shm.ErrAllSlotsBusy)
		if err == nil || hasty && i%8 == 7 {
			continue
		}
		if hasty {
			panic(err) // a call of a second: nobody wakes it
		}
		atomic.StoreUint32(&ended, 1)
	}
}

// callInPlace copies the request to the end of its slot, where it was not built.
func callInPlace(ctx context.Context, client *shm.Client, messageID uint32, request []byte) error {
	buffer, err := client.Acquire(ctx)
	if err != nil {
		return err
	}
	response, err := buffer.SendMessage(ctx, messageID, request)
	response.Release()
	return err
}

// callHost is a guest that serves nothing, but calls its host until that is gone.
func callHost(name string) {
	client, err := shm.ConnectContext(context.Background(), name, shm.WithCallsOnly(), shm.WithCallSlots(2))
	if err != nil {
		fail(err)
	}
	say("ready")
	var callers sync.WaitGroup
	for i := 0; i < 3; i++ {
		callers.Add(1)
		go func() {
			defer callers.Done()
			callOn(client)
		}()
	}
	var line [64]byte
	os.Stdin.Read(line[:])
	atomic.StoreUint32(&ended, 1)
	callers.Wait()
	kept, _ := client.Acquire(context.Background()) // none, if the host is gone
	client.Close()
	kept.Release() // which outlives the client
	say("ended")
}
