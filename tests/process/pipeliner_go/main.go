// SPDX-License-Identifier: Apache-2.0

// Command pipeliner_go is pipeliner_main.c in Go. Half of what it exchanges are echoes through a pipeline, the other half
// calls that complete by a channel.
package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"strings"

	shm "github.com/xll-gen/shm/go"
)

// As in message.h.
const (
	messageAnnounce = 134
	sleepAt         = 8 // of a request: microseconds that its handler sleeps
	room            = 4096
)

type pipeliner struct {
	client      *shm.Client
	pipeline    *shm.Pipeline
	depth       int
	completions []shm.Completion

	answered, notStarted, maybeExecuted, died, closed, wrong int
}

func (p *pipeliner) open(name string, depth int) (err error) {
	p.depth, p.completions = depth, make([]shm.Completion, depth)
	p.client, err = shm.ConnectContext(context.Background(), name, shm.WithCallsOnly(), shm.WithCallSlots(depth))
	if err == nil {
		p.pipeline, err = p.client.Pipeline(context.Background(), depth)
	}
	return err
}

func payload(tag int) []byte {
	request := bytes.Repeat([]byte{byte(tag)}, 12+tag*37%288)
	binary.LittleEndian.PutUint64(request, uint64(tag))
	return request
}

// told takes note of a completion; a tag below 0 is that of a request that was held.
func (p *pipeliner) told(tag int, c *shm.Completion) {
	var failed *shm.CallError
	switch {
	case c.Err == nil && (tag < 0 || bytes.Equal(c.Response, payload(tag))):
		p.answered++
	case !errors.As(c.Err, &failed) || failed.Fate() == shm.Answered:
		p.wrong++
	case failed.Fate() == shm.MaybeExecuted:
		p.maybeExecuted++
	default:
		p.notStarted++
	}
	if errors.Is(c.Err, shm.ErrPeerDied) || errors.Is(c.Err, shm.ErrPeerDiedMaybeExecuted) {
		p.died++
	}
	if errors.Is(c.Err, shm.ErrClosed) || errors.Is(c.Err, shm.ErrClosedMaybeExecuted) {
		p.closed++
	}
}

func (p *pipeliner) reap() error {
	n, err := p.pipeline.Reap(context.Background(), p.completions)
	for i := range p.completions[:n] {
		p.told(int(int64(p.completions[i].Tag)), &p.completions[i])
	}
	return err
}

func (p *pipeliner) exchange(count int) error {
	for sent := 0; sent < count || p.pipeline.InFlight() > 0; {
		for sent < count {
			request := payload(sent)
			err := p.pipeline.Submit(context.Background(), shm.Submission{Request: request, Response: request, Tag: uint64(sent)})
			if errors.Is(err, shm.ErrAllSlotsBusy) {
				break
			}
			if err != nil {
				return err
			}
			sent++
		}
		if err := p.reap(); err != nil {
			return err
		}
	}
	return nil
}

// call is exchange by calls that complete each by a channel of its own.
func (p *pipeliner) call(count int) error {
	p.pipeline.Close()
	caller, err := p.client.AsyncCaller(context.Background(), p.depth)
	if err != nil {
		return err
	}
	calls := make(chan (<-chan shm.Completion), p.depth)
	go func() {
		defer close(calls)
		for tag := 0; tag < count; tag++ {
			request := payload(tag)
			calls <- caller.Go(context.Background(), shm.MessageNormal, request, request)
		}
	}()
	tag := 0
	for call := range calls {
		c := <-call
		p.told(tag, &c)
		tag++
	}
	caller.Close()
	p.pipeline, err = p.client.Pipeline(context.Background(), p.depth)
	return err
}

func (p *pipeliner) hold(count, sleepMicroseconds int) error {
	request := make([]byte, sleepAt+4)
	binary.LittleEndian.PutUint32(request[sleepAt:], uint32(sleepMicroseconds))
	for i := 0; i < count; i++ {
		err := p.pipeline.Submit(context.Background(), shm.Submission{MessageID: messageAnnounce, Request: request,
			Response: make([]byte, room), Tag: 1<<64 - 1})
		if err != nil {
			return err
		}
	}
	return nil
}

func (p *pipeliner) fates() (err error) {
	for err == nil && p.pipeline.InFlight() > 0 {
		err = p.reap()
	}
	return err
}

func (p *pipeliner) obey(line string) (err error) {
	var name string
	var a, b int
	switch words := strings.Fields(line); words[0] {
	case "open":
		fmt.Sscanf(line, "open %s %d", &name, &a)
		return p.open(name, a)
	case "exchange":
		fmt.Sscanf(line, "exchange %d", &a)
		if err = p.exchange(a / 2); err == nil {
			err = p.call(a - a/2)
		}
		return err
	case "hold":
		fmt.Sscanf(line, "hold %d %d", &a, &b)
		return p.hold(a, b)
	case "fates":
		return p.fates()
	}
	p.pipeline.Close()
	if err = p.client.Close(); errors.Is(err, shm.ErrPeerDied) {
		err = nil // it tells what went wrong before, too
	}
	return err
}

func main() {
	p := &pipeliner{}
	fmt.Println("ready")
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		status, text := "SIPC_OK", ""
		if err := p.obey(lines.Text()); err != nil {
			status, text = "failed", err.Error()
		}
		if p.wrong > 0 {
			status = "wrong"
		}
		fmt.Printf("%s answered=%d not_started=%d maybe_executed=%d died=%d closed=%d wrong=%d text=%s\n", status,
			p.answered, p.notStarted, p.maybeExecuted, p.died, p.closed, p.wrong, text)
		p.answered, p.notStarted, p.maybeExecuted, p.died, p.closed, p.wrong = 0, 0, 0, 0, 0, 0
	}
}
