// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	shm "github.com/xll-gen/shm/go"
)

// service serves one region, again whenever it has ended.
type service struct {
	name     string
	capacity int
	served   uint64
	lives    int
	mutex    sync.Mutex
	client   *shm.Client // guarded by mutex, as is the next
	stopped  bool
}

// echo touches every byte that it was given, and expects no more than the capacity.
func (s *service) echo(request *shm.Request, response []byte) (int, error) {
	if len(request.Data) > s.capacity || len(response) != s.capacity {
		fmt.Fprintf(os.Stderr, "guest_go: a handler got %d bytes and room for %d\n", len(request.Data), len(response))
		os.Exit(4)
	}
	atomic.AddUint64(&s.served, 1)
	copied := append([]byte(nil), request.Data...)
	for i := range response {
		response[i] = 0
	}
	return copy(response, copied), nil
}

// use makes the client the one that stop closes, and returns false if that was called already.
func (s *service) use(client *shm.Client) bool {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.client = client
	return !s.stopped
}

func (s *service) stop() {
	s.mutex.Lock()
	s.stopped = true
	client := s.client
	s.mutex.Unlock()
	client.Close()
}

func (s *service) liveOnce() (goOn bool) {
	client, err := shm.ConnectContext(context.Background(), s.name, shm.WithAttachTimeout(20*time.Millisecond))
	if err != nil {
		return s.use(nil)
	}
	s.lives++
	client.HandleMessage(s.echo)
	if goOn = s.use(client); goOn && client.Start() == nil {
		client.Wait()
	}
	client.Close()
	return goOn
}

func beset(name string, capacity int) {
	time.Sleep(time.Millisecond) // the runtime opens its poller at the first timer
	openBefore := descriptors()
	services := []*service{{name: name, capacity: capacity}, {name: name + "beside", capacity: capacity}}
	var all sync.WaitGroup
	for _, s := range services {
		s := s
		all.Add(1)
		go func() {
			for s.liveOnce() {
			}
			all.Done()
		}()
	}
	say("ready")
	io.Copy(io.Discard, os.Stdin)
	for _, s := range services {
		s.stop()
	}
	all.Wait()
	expectAsBefore(openBefore, 1)
	say("ended lives=%d served=%d", services[0].lives, services[0].served)
}

func descriptors() int {
	entries, err := os.ReadDir("/proc/self/fd")
	must(err)
	return len(entries)
}

// expectAsBefore waits for goroutines that have done their work, which are counted until the scheduler
// has taken them away.
func expectAsBefore(openBefore, goroutinesBefore int) {
	for i := 0; i < 2000 && runtime.NumGoroutine() > goroutinesBefore; i++ {
		time.Sleep(time.Millisecond)
	}
	open, goroutines := descriptors(), runtime.NumGoroutine()
	if open > openBefore || goroutines > goroutinesBefore {
		must(fmt.Errorf("leaked: %d descriptors before and %d now, %d goroutines before and %d now",
			openBefore, open, goroutinesBefore, goroutines))
	}
}
