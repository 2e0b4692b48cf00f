// SPDX-License-Identifier: Apache-2.0

// Guest computes the mean of numbers until its host ends or it is interrupted:
//
//	guest NAME
package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log"
	"math"
	"os"
	"os/signal"
	"syscall"

	shm "github.com/xll-gen/shm/go"
)

const messageMean = shm.MessageFirstUser

// An error reaches the host with its text.
var errNoNumbers = errors.New("there are no numbers")

// handle runs in a goroutine of its own for each slot. request.Data and response lie in shared memory.
func handle(request *shm.Request, response []byte) (int, error) {
	if request.MessageID != messageMean {
		return 0, fmt.Errorf("message %d: %w", request.MessageID, shm.ErrUnknownMessage)
	}
	count := len(request.Data) / 8
	if count == 0 {
		return 0, errNoNumbers
	}
	sum := 0.0
	for i := 0; i < count; i++ {
		sum += math.Float64frombits(binary.LittleEndian.Uint64(request.Data[8*i:]))
	}
	binary.LittleEndian.PutUint64(response, math.Float64bits(sum/float64(count)))
	return 8, nil
}

func serve(ctx context.Context, name string) error {
	client, err := shm.ConnectContext(ctx, name) // waits for the host if that starts later
	if errors.Is(err, shm.ErrNoHost) {
		return fmt.Errorf("start the host first: %w", err)
	}
	if err != nil {
		return err
	}
	defer client.Close()
	go func() {
		<-ctx.Done()
		client.Close() // ends Wait; requests that were begun are answered
	}()
	client.HandleMessage(handle)
	if err := client.Start(); err != nil {
		return err
	}
	return client.Wait()
}

func main() {
	name := "example"
	if len(os.Args) > 1 {
		name = os.Args[1]
	}
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	if err := serve(ctx, name); err != nil {
		log.Fatal(err)
	}
}
