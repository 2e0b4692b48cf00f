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

// submitOn submits requests, of which some give up and some are cancelled, as long as the pipeline takes them.
func submitOn(p *shm.Pipeline) {
	request := make([]byte, 200)
	binary.LittleEndian.PutUint32(request[stampSize:], 1000) // microseconds that a handler sleeps if told to
	for i := uint64(0); atomic.LoadUint32(&ended) == 0; i++ {
		submission := shm.Submission{Request: request[:i%40], Response: make([]byte, 2048), Tag: i}
		timeout := time.Second
		if i%8 == 7 {
			submission.MessageID, timeout = messageStamped, 300*time.Microsecond
		}
		if i%2 == 1 {
			submission.Request = request
		}
		ctx, cancel := context.WithTimeout(context.Background(), timeout)
		if i%16 == 15 {
			time.AfterFunc(100*time.Microsecond, cancel)
		} else {
			time.AfterFunc(2*time.Second, cancel)
		}
		err := p.SubmitWait(ctx, submission)
		hasty := errors.Is(err, shm.ErrTimeout) || errors.Is(err, shm.ErrAllSlotsBusy)
		if err != nil && !(hasty && i%8 == 7) && atomic.LoadUint32(&ended) == 0 {
			panic(err)
		}
	}
}

// reapOn hears of all completions until the pipeline is over.
func reapOn(p *shm.Pipeline) {
	completions := make([]shm.Completion, 2)
	for {
		n, err := p.Reap(context.Background(), completions)
		if err != nil {
			return
		}
		for _, c := range completions[:n] {
			hasty := errors.Is(c.Err, shm.ErrTimeout) || errors.Is(c.Err, shm.ErrTimeoutMaybeExecuted)
			if c.Err != nil && !(hasty && c.Tag%8 == 7) && atomic.LoadUint32(&ended) == 0 {
				panic(c.Err)
			}
		}
		if n == 0 {
			time.Sleep(50 * time.Microsecond)
		}
	}
}

// keepHostBusy is a guest that serves nothing, but has requests in flight until its input ends.
func keepHostBusy(name string) {
	client, err := shm.ConnectContext(context.Background(), name, shm.WithCallsOnly(), shm.WithCallSlots(2))
	if err != nil {
		fail(err)
	}
	p, err := client.Pipeline(context.Background(), 2)
	if err != nil {
		fail(err)
	}
	say("ready")
	var all sync.WaitGroup
	all.Add(3)
	for i := 0; i < 2; i++ {
		go func() {
			defer all.Done()
			submitOn(p)
		}()
	}
	go func() {
		defer all.Done()
		reapOn(p)
	}()
	var line [64]byte
	os.Stdin.Read(line[:])
	atomic.StoreUint32(&ended, 1)
	p.Close()
	all.Wait()
	client.Close()
	say("ended")
}
