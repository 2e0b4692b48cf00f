// SPDX-License-Identifier: Apache-2.0

// The Go guest of the benchmark: the library's workers, and beside them, on the same processor, a server
// of bare windows, which sleeps whenever the host measures something else.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/xll-gen/shm/benchmarks/simpleipc-bench-go/block"
	bare "github.com/xll-gen/shm/experiments/pingpong/go"
	shm "github.com/xll-gen/shm/go"
)

// The wait presets by their numbers in the C API.
var presets = []shm.WaitPolicy{shm.WaitBalanced, shm.WaitLatency, shm.WaitPower}

func main() {
	if len(os.Args) != 6 {
		fmt.Fprint(os.Stderr, "usage: simpleipc-bench-go REGION DESCRIPTOR WAIT_PRESET CAPACITY SLOTS_PER_WORKER\n",
			"It is started by simpleipc-bench-host.\n")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Args[2], os.Args[3], os.Args[5]); err != nil {
		fmt.Fprintln(os.Stderr, "simpleipc-bench-go:", err)
		os.Exit(1)
	}
}

func run(region, descriptor, preset, group string) error {
	fd, err := strconv.Atoi(descriptor)
	if err != nil {
		return err
	}
	policy, err := strconv.Atoi(preset)
	if err != nil || policy < 0 || policy >= len(presets) {
		return errors.New("there is no wait preset " + preset)
	}
	options := []shm.Option{shm.WithWait(presets[policy])}
	slots, err := strconv.Atoi(group)
	if err != nil {
		return err
	}
	if slots > 0 {
		options = append(options, shm.WithSlotsPerWorker(slots))
	}
	shared, err := block.Map(fd, 0)
	if err != nil {
		return err
	}
	began := time.Now()
	client, err := shm.ConnectContext(context.Background(), region, options...)
	if err != nil {
		return err
	}
	attached := time.Now()
	handler := &echo{make([]buffers, client.Slots()), shared.WritesThrough()}
	client.HandleMessage(func(request *shm.Request, response []byte) (int, error) {
		if request.MessageID == messageErrand {
			return errand(client, request.Data, response)
		}
		return handler.answer(request, response)
	})
	if err := client.Start(); err != nil {
		return err
	}
	shared.Started(attached.Sub(began), time.Since(attached))
	shared.Ready("Go")
	if err := serveBareWindows(shared.BareRegion()); err != nil {
		return err
	}
	return client.Wait()
}

func serveBareWindows(region []byte) error {
	guest, err := bare.NewGuest(region, copyHandler, nil)
	if err != nil {
		return err
	}
	for {
		if again, err := guest.ServeWindow(); err != nil || !again {
			return err
		}
	}
}
