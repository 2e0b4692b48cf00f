// SPDX-License-Identifier: Apache-2.0

// A guest that takes letters, and sends letters; of each transfer it keeps no more than a sum:
//
//	guest NAME
package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"log"
	"os"
	"sync"

	shm "github.com/xll-gen/shm/go"
)

// As in ../transfer.h.
const (
	slots    = 4
	upload   = 200
	download = 201
)

// transfers are those whose handler runs: their goroutines are not the client's to wait for.
var transfers sync.WaitGroup

// take reads letters until they end, and answers with how many there were and their sum.
func take(_ context.Context, stream *shm.ServedStream) error {
	transfers.Add(1)
	defer transfers.Done()
	sum := fnv.New64a()
	n, err := io.Copy(sum, stream)
	if err != nil {
		fmt.Println("a transfer has ended early:", err)
		return err
	}
	_, err = fmt.Fprintf(stream, "%d letters came, sum %016x", n, sum.Sum64())
	return err
}

// give sends as many letters as are asked for.
func give(_ context.Context, stream *shm.ServedStream) error {
	transfers.Add(1)
	defer transfers.Done()
	var wanted uint64
	if err := binary.Read(stream, binary.LittleEndian, &wanted); err != nil {
		return errors.New("that is no number of letters")
	}
	if err := stream.Announce(int64(wanted)); err != nil {
		return err
	}
	_, err := io.CopyN(stream, &letters{}, int64(wanted))
	return err
}

// letters are a to z, again and again.
type letters struct{ done int }

func (l *letters) Read(to []byte) (int, error) {
	for i := range to {
		to[i] = byte('a' + (l.done+i)%26)
	}
	l.done += len(to)
	return len(to), nil
}

func serve(name string) error {
	client, err := shm.ConnectContext(context.Background(), name, shm.WithSlotsPerWorker(slots)) // one goroutine for all of them
	if err != nil {
		return err
	}
	defer client.Close()
	client.HandleMessage(func(*shm.Request, []byte) (int, error) { return 0, errors.New("only streams are served") })
	if err := client.HandleStream(upload, 0, take); err != nil {
		return err
	}
	if err := client.HandleStream(download, 0, give); err != nil {
		return err
	}
	if err := client.Start(); err != nil {
		return err
	}
	err = client.Wait()
	transfers.Wait()
	return err
}

func main() {
	log.SetFlags(0)
	name := "stream"
	if len(os.Args) > 1 {
		name = os.Args[1]
	}
	if err := serve(name); err != nil {
		log.Fatal(err)
	}
}
