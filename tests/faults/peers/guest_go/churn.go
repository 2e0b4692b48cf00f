// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"context"
	"os"
	"sync"
	"time"

	shm "github.com/xll-gen/shm/go"
)

// churn connects and serves at each line of its input, then closes from several goroutines at once, then
// once more. It answers with how long the longest step took.
func churn(name string) {
	time.Sleep(time.Millisecond) // the runtime opens its poller at the first timer
	say("ready")
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		openBefore := descriptors()
		begun := time.Now()
		client, err := shm.ConnectContext(context.Background(), name, shm.WithAttachTimeout(5*time.Second))
		must(err)
		client.Handle(func(request, response []byte) uint32 { return uint32(copy(response, request)) })
		must(client.Start())
		longest := time.Since(begun)
		time.Sleep(time.Duration(len(lines.Text())) * 100 * time.Microsecond)
		begun = time.Now()
		closeAtOnce(client)
		if took := time.Since(begun); took > longest {
			longest = took
		}
		useStale(client)
		expectAsBefore(openBefore, 1)
		say("ended longest_us=%d", longest.Microseconds())
	}
}

func closeAtOnce(client *shm.Client) {
	var all sync.WaitGroup
	for i := 0; i < 4; i++ {
		all.Add(1)
		go func() {
			client.Close()
			all.Done()
		}()
	}
	all.Wait()
	must(client.Close())
}

// useStale uses a closed client, and one that never was.
func useStale(client *shm.Client) {
	for _, stale := range []*shm.Client{client, nil} {
		if stale.Start() == nil {
			panic("a stale client was started")
		}
		stale.Handle(nil)
		must(stale.Close())
	}
	must(client.Wait())
}
