// SPDX-License-Identifier: Apache-2.0

// The Go guest of the streams' benchmark: takes what comes into memory, gives what is asked for from memory, and
// serves bare windows with the same memory.
package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"

	"github.com/xll-gen/shm/benchmarks/simpleipc-bench-go/block"
	shm "github.com/xll-gen/shm/go"
)

// Message ids, as ../../streaming/windows.h has them.
const (
	windowsMessage = 130
	streamTake     = 200
	streamGive     = 201

	pieceHead = 64 // bytes of a slot's that are not the piece's
)

func main() {
	if len(os.Args) != 6 {
		fmt.Fprint(os.Stderr, "usage: simpleipc-bench-go-streaming REGION DESCRIPTOR WAIT_PRESET CAPACITY SLOTS_PER_WORKER\n",
			"It is started by simpleipc-bench-streaming.\n")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Args[2], os.Args[4], os.Args[5]); err != nil {
		fmt.Fprintln(os.Stderr, "simpleipc-bench-go-streaming:", err)
		os.Exit(1)
	}
}

func run(region, descriptor, capacity, group string) error {
	fd, err := strconv.Atoi(descriptor)
	if err != nil {
		return err
	}
	slot, err := strconv.Atoi(capacity)
	if err != nil {
		return err
	}
	perWorker, err := strconv.Atoi(group)
	if err != nil {
		return err
	}
	shared, err := block.Map(fd, windowsBytes)
	if err != nil {
		return err
	}
	client, err := shm.ConnectContext(context.Background(), region, shm.WithSlotsPerWorker(perWorker))
	if err != nil {
		return err
	}
	own := newMessage()
	if err := handle(client, windows(shared.Beside()), own, slot-pieceHead); err != nil {
		return err
	}
	if err := client.Start(); err != nil {
		return err
	}
	shared.Ready("Go")
	return client.Wait()
}

func handle(client *shm.Client, bare windows, own *message, piece int) error {
	client.HandleMessage(func(request *shm.Request, _ []byte) (int, error) {
		if request.MessageID != windowsMessage {
			return 0, errors.New("only bare windows are asked for by plain messages")
		}
		return 0, bare.serve(request.Data, own)
	})
	err := client.HandleStream(streamTake, 0, func(_ context.Context, stream *shm.ServedStream) error {
		for {
			if _, err := stream.Read(own.next(piece)); err == io.EOF {
				return nil
			} else if err != nil {
				return err
			}
		}
	})
	if err != nil {
		return err
	}
	return client.HandleStream(streamGive, 8, func(_ context.Context, stream *shm.ServedStream) error {
		var total [8]byte
		if _, err := io.ReadFull(stream, total[:]); err != nil {
			return err
		}
		left := int(binary.LittleEndian.Uint64(total[:]))
		if err := stream.Announce(int64(left)); err != nil {
			return err
		}
		for size := piece; left > 0; left -= size {
			if size > left {
				size = left
			}
			if _, err := stream.Write(own.next(size)); err != nil {
				return err
			}
		}
		return nil
	})
}
