// SPDX-License-Identifier: Apache-2.0

// Guest serves SQL functions to one SQLite process after the other, until it is interrupted:
//
//	sqlite_guest NAME
package main

import (
	"context"
	"log"
	"math"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/xll-gen/shm/examples/sqlite-udf/guest/udf"
	shm "github.com/xll-gen/shm/go"
)

// forever is longer than any process lives.
const forever = time.Duration(math.MaxInt64)

func serve(ctx context.Context, name string, functions *udf.Functions) error {
	// SQLite may start later, and may be started again.
	client, err := shm.ConnectContext(ctx, name, shm.WithAttachTimeout(forever), shm.WithReconnect())
	if err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	defer client.Close()
	go func() {
		<-ctx.Done()
		client.Close() // ends Wait; calls that were begun are answered
	}()
	client.HandleMessage(functions.Handle)
	if err := client.Start(); err != nil {
		return err
	}
	return client.Wait()
}

func main() {
	log.SetFlags(0)
	if len(os.Args) != 2 {
		log.Fatal("usage: sqlite_guest NAME\nNAME is what SQLite is told: SELECT simpleipc_attach('NAME');")
	}
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	functions, err := example()
	if err == nil {
		err = serve(ctx, os.Args[1], functions)
	}
	if err != nil {
		log.Fatal(err)
	}
}
