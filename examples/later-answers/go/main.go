// SPDX-License-Identifier: Apache-2.0

// Go is guest.cpp in Go: long jobs for one worker, each in a goroutine of its own, which answers when the job is done.
//
//	go NAME
package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log"
	"os"
	"time"

	shm "github.com/xll-gen/shm/go"
)

// As in jobs.h.
const (
	slots      = 4
	messageJob = 128
	jobSize    = 4 // milliseconds
)

var errNoJob = errors.New("that is no job")

// begin returns at once. The job has the request for as long as it does not answer.
func begin(request *shm.Request, response []byte) (int, error) {
	if len(request.Data) != jobSize {
		return 0, errNoJob // an answer as ever
	}
	length := time.Duration(binary.LittleEndian.Uint32(request.Data)) * time.Millisecond
	pending := request.Later()
	go func() {
		answer, err := work(pending.Context(), length)
		if err := pending.Respond([]byte(answer), err); err != nil {
			log.Print(err)
		}
	}()
	return 0, nil
}

// work ends with its context: the caller gave up, or is gone, or this guest is to end.
func work(ctx context.Context, length time.Duration) (string, error) {
	done := time.NewTimer(length)
	defer done.Stop()
	select {
	case <-done.C:
		return fmt.Sprintf("done after %d ms", length.Milliseconds()), nil
	case <-ctx.Done():
		fmt.Println("a job was given up")
		return "", ctx.Err()
	}
}

func serve(name string) error {
	client, err := shm.ConnectContext(context.Background(), name, shm.WithSlotsPerWorker(slots))
	if err != nil {
		return err
	}
	defer client.Close()
	var mux shm.Mux
	if err := mux.Handle(messageJob, begin); err != nil {
		return err
	}
	client.HandleMessage(mux.Serve)
	if err := client.Start(); err != nil {
		return err
	}
	return client.Wait() // also for the answers of all jobs
}

func main() {
	name := "later"
	if len(os.Args) > 1 {
		name = os.Args[1]
	}
	if err := serve(name); err != nil {
		log.Fatal(err)
	}
}
