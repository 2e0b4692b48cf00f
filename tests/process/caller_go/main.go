// SPDX-License-Identifier: Apache-2.0

// Command caller_go is a guest of the process tests that calls its host. It obeys a part of the commands of
// host_main.c, one a line, and answers each with a line:
//
//	open NAME SLOTS ...                             attaches, with so many slots to call through
//	sizes FROM TO STEP                              echoes of these sizes
//	traffic callers=N calls=N ... request=FROM..TO  echoes of random sizes by so many goroutines
//	stamped _ MESSAGE_ID SIZE TIMEOUT_US SLEEP_US   one request whose handler sleeps
//	plain _ MESSAGE_ID SIZE TIMEOUT_US              one request, whose response is a text
//	cancelled MESSAGE_ID AFTER_US                   one request whose context is cancelled
//	close
package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	shm "github.com/xll-gen/shm/go"
)

const capacity = 4096 // of the requests in these tests

var names = []struct {
	err  error
	name string
}{
	{shm.ErrTimeoutMaybeExecuted, "SIPC_TIMEOUT_MAYBE_EXECUTED"}, {shm.ErrTimeout, "SIPC_TIMEOUT"},
	{shm.ErrPeerDiedMaybeExecuted, "SIPC_PEER_DIED_MAYBE_EXECUTED"}, {shm.ErrPeerDied, "SIPC_PEER_DIED"},
	{shm.ErrClosedMaybeExecuted, "SIPC_CLOSED_MAYBE_EXECUTED"}, {shm.ErrClosed, "SIPC_CLOSED"},
	{shm.ErrAllSlotsBusy, "SIPC_ALL_SLOTS_BUSY"},
}

func nameOf(err error) string {
	if err == nil {
		return "SIPC_OK"
	}
	for _, n := range names {
		if errors.Is(err, n.err) {
			return n.name
		}
	}
	return "wrong " + err.Error()
}

func fateOf(err error) shm.Fate {
	var failed *shm.CallError
	if errors.As(err, &failed) {
		return failed.Fate()
	}
	return shm.Answered
}

type caller struct{ client *shm.Client }

func (c *caller) open(name string, slots int) string {
	client, err := shm.ConnectContext(context.Background(), name, shm.WithCallsOnly(), shm.WithCallSlots(slots))
	if err == nil && client.CallSlots() != slots {
		return fmt.Sprintf("wrong number of slots: %d", client.CallSlots())
	}
	c.client = client
	return nameOf(err)
}

// echo tells whether a request of random bytes came back as it was.
func (c *caller) echo(random *rand.Rand, size int) error {
	request, response := make([]byte, size), make([]byte, size)
	random.Read(request)
	n, err := c.client.Call(context.Background(), shm.MessageNormal, request, response)
	if err == nil && !bytes.Equal(request, response[:n]) {
		err = fmt.Errorf("of %d bytes others came back", size)
	}
	return err
}

func (c *caller) sizes(from, to, step int) string {
	random := rand.New(rand.NewSource(1))
	for size := from; size <= to; size += step {
		if err := c.echo(random, size); err != nil {
			return nameOf(err)
		}
	}
	return fmt.Sprintf("ok capacity=%d", capacity)
}

func (c *caller) traffic(callers, calls, from, to int) string {
	var answered int64
	var first atomic.Value
	var all sync.WaitGroup
	for i := 0; i < callers; i++ {
		random := rand.New(rand.NewSource(int64(i)))
		all.Add(1)
		go func() {
			defer all.Done()
			for j := 0; j < calls; j++ {
				if err := c.echo(random, from+random.Intn(to-from+1)); err != nil {
					first.Store(nameOf(err))
					return
				}
				atomic.AddInt64(&answered, 1)
			}
		}()
	}
	all.Wait()
	if name := first.Load(); name != nil {
		return name.(string)
	}
	return fmt.Sprintf("ok answered=%d", answered)
}

// stamped asks for a response of as many bytes as the message id says, by a handler that sleeps.
func (c *caller) stamped(messageID uint32, size, timeoutMicroseconds, sleepMicroseconds int) string {
	request := make([]byte, size)
	binary.LittleEndian.PutUint32(request[8:], uint32(sleepMicroseconds))
	ctx, cancel := context.Background(), func() {}
	if timeoutMicroseconds > 0 {
		ctx, cancel = context.WithTimeout(ctx, time.Duration(timeoutMicroseconds)*time.Microsecond)
	}
	defer cancel()
	began := time.Now()
	_, err := c.client.Call(ctx, messageID, request, make([]byte, capacity))
	return fmt.Sprintf("%s fate=%d took_us=%d", nameOf(err), fateOf(err), time.Since(began).Microseconds())
}

func (c *caller) call(ctx context.Context, began time.Time, messageID uint32, size int) string {
	response := make([]byte, capacity)
	size, err := c.client.Call(ctx, messageID, make([]byte, size), response)
	answer := ""
	if err == nil {
		answer = string(response[:size])
	}
	return fmt.Sprintf("%s fate=%d took_us=%d answer=%s", nameOf(err), fateOf(err), time.Since(began).Microseconds(), answer)
}

func (c *caller) plain(messageID uint32, size, timeoutMicroseconds int) string {
	began := time.Now()
	ctx, cancel := context.Background(), func() {}
	if timeoutMicroseconds > 0 {
		ctx, cancel = context.WithTimeout(ctx, time.Duration(timeoutMicroseconds)*time.Microsecond)
	}
	defer cancel()
	return c.call(ctx, began, messageID, size)
}

func (c *caller) cancelled(messageID uint32, afterMicroseconds int) string {
	began := time.Now()
	ctx, cancel := context.WithCancel(context.Background())
	time.AfterFunc(time.Duration(afterMicroseconds)*time.Microsecond, cancel)
	return c.call(ctx, began, messageID, 0)
}

func (c *caller) obey(line string) string {
	var name string
	var a, b, d, e int
	switch words := strings.Fields(line); words[0] {
	case "open":
		fmt.Sscanf(line, "open %s %d", &name, &a)
		return c.open(name, a)
	case "sizes":
		fmt.Sscanf(line, "sizes %d %d %d", &a, &b, &d)
		return c.sizes(a, b, d)
	case "traffic":
		fmt.Sscanf(line, "traffic callers=%d calls=%d", &a, &b)
		fmt.Sscanf(words[len(words)-1], "request=%d..%d", &d, &e)
		return c.traffic(a, b, d, e)
	case "stamped":
		var messageID uint32
		fmt.Sscanf(line, "stamped %d %d %d %d %d", &e, &messageID, &a, &b, &d)
		return c.stamped(messageID, a, b, d)
	case "plain":
		var messageID uint32
		fmt.Sscanf(line, "plain %d %d %d %d", &e, &messageID, &a, &b)
		return c.plain(messageID, a, b)
	case "cancelled":
		var messageID uint32
		fmt.Sscanf(line, "cancelled %d %d", &messageID, &a)
		return c.cancelled(messageID, a)
	case "close":
		// It tells what went wrong before, too.
		if err := c.client.Close(); !errors.Is(err, shm.ErrPeerDied) {
			return nameOf(err)
		}
		return nameOf(nil)
	}
	return "cannot obey " + line
}

func main() {
	var c caller
	fmt.Println("ready")
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		fmt.Println(c.obey(lines.Text()))
	}
}
