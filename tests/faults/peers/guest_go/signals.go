// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
	"time"

	shm "github.com/xll-gen/shm/go"
)

const (
	messageSlow = 128
	slowness    = 3 * time.Millisecond
)

// signals serves until the host closes, while it is sent signals, which the program catches.
func signals(name string) {
	var caught uint64
	arriving := make(chan os.Signal, 64)
	signal.Notify(arriving, syscall.SIGALRM, syscall.SIGURG)
	go func() {
		for range arriving {
			atomic.AddUint64(&caught, 1)
		}
	}()
	say("catching")
	client, err := shm.ConnectContext(context.Background(), name, shm.WithWait(shm.WaitPolicy{}))
	must(err)
	client.HandleMessage(func(request *shm.Request, response []byte) (int, error) {
		if request.MessageID == messageSlow {
			time.Sleep(slowness)
		}
		return copy(response, request.Data), nil
	})
	must(client.Start())
	say("ready")
	must(client.Wait())
	must(client.Close())
	say("ended signals=%d", atomic.LoadUint64(&caught))
}
