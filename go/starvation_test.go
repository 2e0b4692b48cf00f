// SPDX-License-Identifier: Apache-2.0

package shm

import (
	"runtime"
	"sync/atomic"
	"testing"
	"time"
)

// serveBusyHost serves, on that many processors of the Go scheduler, a host with a process of its own that calls all
// the time. What it returns counts the calls.
func serveBusyHost(t *testing.T, processors int, options ...Option) *uint64 {
	t.Helper()
	before := runtime.GOMAXPROCS(processors)
	t.Cleanup(func() { runtime.GOMAXPROCS(before) })
	name := freshName()
	startHost(t, name, callsVariable+"=1")
	client, err := connectTo(name, options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	calls := new(uint64)
	client.HandleMessage(func(request *Request, response []byte) (int, error) {
		atomic.AddUint64(calls, 1)
		return copy(response, request.Data), nil
	})
	if err := client.Start(); err != nil {
		t.Fatal(err)
	}
	eventually(func() bool { return atomic.LoadUint64(calls) > 0 })
	return calls
}

// One processor for all goroutines, and a worker that has something to do all the time.
func TestABusyWorkerLetsOtherGoroutinesRun(t *testing.T) {
	bounded(t)
	for turn, policy := range []WaitPolicy{WaitLatency, WaitLatency, WaitBalanced, WaitPower, {}} {
		calls := serveBusyHost(t, 1, WithWait(policy), WithSlotsPerWorker(1+turn%2))
		for turn := 0; turn < 5; turn++ {
			answer := make(chan bool)
			go func() { answer <- true }()
			<-answer
			time.Sleep(time.Microsecond)
		}
		before := atomic.LoadUint64(calls)
		eventually(func() bool { return atomic.LoadUint64(calls) > before })
	}
}

// One processor for all goroutines, and one of them computes all the time.
func TestAWorkerServesBesideAGoroutineThatComputes(t *testing.T) {
	bounded(t)
	for _, policy := range []WaitPolicy{WaitLatency, WaitBalanced, WaitPower, {}} {
		calls := serveBusyHost(t, 1, WithWait(policy))
		var stop uint32
		var computed uint64
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			for atomic.LoadUint32(&stop) == 0 {
				sum := uint64(1)
				for i := uint64(0); i < 100000; i++ {
					sum += sum ^ i
				}
				atomic.AddUint64(&computed, sum|1)
			}
		}()
		for turn := 0; turn < 3; turn++ {
			callsBefore, computedBefore := atomic.LoadUint64(calls), atomic.LoadUint64(&computed)
			eventually(func() bool {
				return atomic.LoadUint64(calls) > callsBefore && atomic.LoadUint64(&computed) != computedBefore
			})
		}
		atomic.StoreUint32(&stop, 1)
		<-ended
	}
}
