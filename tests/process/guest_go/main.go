// SPDX-License-Identifier: Apache-2.0

// Guest_go is the guest of the process tests in Go:
//
//	guest_go NAME [--workers N] [--attach-ms N] [--again] [--reconnect] [--later N] [--name NAME]
//	    [--spare]
//
// It prints and obeys the same as guest_c. With --reconnect the client itself attaches to the next host. With --later N it
// has one worker of N slots, which answers nothing itself.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync"
	"time"

	shm "github.com/xll-gen/shm/go"
)

var (
	handler = handle
	lock    sync.Mutex
	current *shm.Client // guarded by lock, as is the next
	stopped bool
)

func say(line string) { os.Stdout.WriteString(line + "\n") }

// setCurrent returns false if the guest is to stop at once.
func setCurrent(client *shm.Client) bool {
	lock.Lock()
	defer lock.Unlock()
	current = client
	return !stopped
}

func listenForStop() {
	var line [64]byte
	os.Stdin.Read(line[:])
	lock.Lock()
	stopped = true
	client := current
	lock.Unlock()
	client.Close()
}

// expectDescriptors and goroutines as before. A goroutine that has done its work is counted until the
// scheduler has taken it away, so this waits for that.
func expectAsBefore(openBefore, goroutinesBefore int) {
	for i := 0; i < 2000 && runtime.NumGoroutine() > goroutinesBefore; i++ {
		time.Sleep(time.Millisecond)
	}
	open, goroutines := descriptors(), runtime.NumGoroutine()
	if open > openBefore || goroutines > goroutinesBefore {
		fmt.Fprintf(os.Stderr, "leaked: %d descriptors before and %d now, %d goroutines before and %d now\n",
			openBefore, open, goroutinesBefore, goroutines)
		os.Exit(3)
	}
}

func fail(err error) {
	say("failed " + strings.ReplaceAll(err.Error(), "\n", " "))
	os.Exit(1)
}

func liveOnce(name string, options []shm.Option) {
	openBefore, goroutinesBefore := descriptors(), runtime.NumGoroutine()
	client, err := shm.ConnectContext(context.Background(), name, options...)
	if err != nil {
		fail(err)
	}
	say(fmt.Sprintf("attached %d", client.Slots()))
	client.HandleMessage(handler)
	ended := "ended"
	if setCurrent(client) {
		if err := serve(client); errors.Is(err, shm.ErrPeerDied) {
			ended += " SIPC_PEER_DIED"
		} else if err != nil {
			ended += " " + err.Error()
		}
	}
	setCurrent(nil)
	client.Close()
	expectAsBefore(openBefore, goroutinesBefore)
	say(ended)
}

// serve returns nil if the client ended in order.
func serve(client *shm.Client) error {
	if err := client.Start(); err != nil {
		return err
	}
	say("ready")
	return client.Wait()
}

func main() {
	flags := flag.NewFlagSet("guest_go", flag.ExitOnError)
	workers := flags.Int("workers", 0, "slots to serve; 0: all")
	attachMs := flags.Int("attach-ms", 10000, "how long to wait for the host")
	again := flags.Bool("again", false, "attach anew when a host has ended")
	name := flags.String("name", "", "its own, by which the host may call it")
	spare := flags.Bool("spare", false, "wait for slots")
	reconnect := flags.Bool("reconnect", false, "serve the next host when one has ended")
	later := flags.Int("later", 0, "slots of the one worker, whose requests are answered later")
	if len(os.Args) < 2 || flags.Parse(os.Args[2:]) != nil {
		fmt.Fprintln(os.Stderr, "usage: guest_go NAME [--workers N] [--attach-ms N] [--again] [--reconnect] [--later N]")
		os.Exit(2)
	}
	options := []shm.Option{shm.WithAttachTimeout(time.Duration(*attachMs) * time.Millisecond)}
	if *workers != 0 {
		options = append(options, shm.WithWorkers(*workers))
	}
	if *later != 0 {
		handler = answerLater
		options = append(options, shm.WithWorkers(1), shm.WithSlotsPerWorker(*later))
	}
	if folder := os.Getenv("SEALED_FOLDER"); folder != "" {
		options = append(options, shm.WithSealedFolder(folder))
	}
	if os.Getenv("ANY_OWNER") != "" {
		options = append(options, shm.WithAnyOwner())
	}
	if *name != "" {
		options = append(options, shm.WithName(*name))
	}
	if *spare {
		options = append(options, shm.WithWaitForSlots())
	}
	becomeUser(os.Getenv("GUEST_USER"))
	if *reconnect {
		options = append(options, shm.WithReconnect())
	}
	go listenForStop()
	time.Sleep(time.Millisecond) // the runtime opens its poller at the first timer
	liveOnce(os.Args[1], options)
	for *again && setCurrent(nil) {
		liveOnce(os.Args[1], options)
	}
}
