// SPDX-License-Identifier: Apache-2.0

package shm

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

func TestEchoOfEverySizeThatFits(t *testing.T) {
	bounded(t)
	h := newHost(t, 3, 200)
	client := h.connect(t)
	client.Handle(func(req []byte, respBuf []byte) uint32 {
		if len(respBuf) != 200 || cap(respBuf) != 200 || cap(req) != len(req) {
			panic(fmt.Sprintf("%d of %d, %d of %d bytes", len(respBuf), cap(respBuf), len(req), cap(req)))
		}
		return uint32(copy(respBuf, req))
	})
	if err := client.Start(); err != nil {
		t.Fatal(err)
	}
	for size := 0; size <= 200; size++ {
		payload := strings.Repeat("a", size)
		for _, c := range h.callers {
			c.expect(t, MessageNormal, payload, ok(MessageNormal, payload))
		}
	}
}

func TestTheMessageIDReachesTheHandlerAndComesBack(t *testing.T) {
	bounded(t)
	h := newHost(t, 1, 64)
	h.serve(t, func(request *Request, response []byte) (int, error) {
		return copy(response, fmt.Sprint(request.MessageID)), nil
	})
	for _, id := range []uint32{MessageNormal, MessageFirstUser, 129, 1 << 31, 1<<32 - 1} {
		h.callers[0].expect(t, id, "", ok(id, fmt.Sprint(id)))
	}
}

func TestARequestSaysAllThatTheCallerSaid(t *testing.T) {
	bounded(t)
	h := newHost(t, 3, 64)
	type told struct {
		Request
		data     string
		trace    uint64
		deadline time.Time
		said     bool
	}
	requests := make(chan told, 1)
	h.serve(t, func(request *Request, response []byte) (int, error) {
		deadline, said := request.Deadline()
		requests <- told{*request, string(request.Data), request.TraceID(), deadline, said}
		return 0, nil
	})
	c := h.callers[2]
	for _, payload := range []string{"payload", strings.Repeat("payload", 8)} {
		c.describe(200, []byte(payload))
		id := c.slot.turn.transportID
		c.slot.annex.traceID = 0xABCDEF
		c.slot.annex.deadline = monotonicNow() + uint64(time.Hour)
		c.set(codeRequest)
		c.expectResult(t, ok(200, ""))
		got := <-requests
		if got.MessageID != 200 || got.Slot != 2 || got.TransportID != id || got.trace != 0xABCDEF || got.data != payload {
			t.Errorf("the handler got %+v", got)
		}
		if left := time.Until(got.deadline); !got.said || left < 59*time.Minute || left > time.Hour+clockTick {
			t.Errorf("the deadline is %v, %v from now", got.said, left)
		}
		c.slot.annex.deadline, c.slot.annex.traceID = 0, 0
		c.expect(t, MessageNormal, payload, ok(MessageNormal, ""))
		if got := <-requests; got.said || got.trace != 0 {
			t.Errorf("the handler got a deadline or a trace id that were not said: %+v", got)
		}
	}
}

func TestDeadlinesFarAwayAndPast(t *testing.T) {
	for _, deadline := range []uint64{1, 1 << 62, 1 << 63, 1<<64 - 1} {
		request := Request{annex: &annexLine{deadline: deadline}}
		at, said := request.Deadline()
		if past := time.Until(at) < 0; !said || past != (deadline == 1) {
			t.Errorf("the deadline %d is %v, %v", deadline, at, said)
		}
	}
}

func TestAnErrorReachesTheCallerWithItsText(t *testing.T) {
	bounded(t)
	h := newHost(t, 1, 64)
	client := h.serve(t, echo)
	c := h.callers[0]
	fail := func(err error) {
		client.HandleMessage(func(request *Request, response []byte) (int, error) { return 5, err })
	}
	for text, want := range map[string]string{
		"no such quote":         "no such quote",
		"":                      "",
		strings.Repeat("x", 64): strings.Repeat("x", 64),
		strings.Repeat("x", 65): strings.Repeat("x", 49) + "... (truncated)",
		"bad \xff byte":         "bad \uFFFD byte",
	} {
		fail(errors.New(text))
		c.expect(t, MessageNormal, "", failedWith(want))
	}
	fail(fmt.Errorf("no message 7: %w", ErrUnknownMessage))
	c.expect(t, 200, "", answer{answerUnknownMessage, 200, nil})
}

func TestTextsAreCutBetweenCharactersAndSaySo(t *testing.T) {
	text := "aé日本€😀" + strings.Repeat("😀é", 10)
	for capacity := 1; capacity <= len(text)+1; capacity++ {
		buffer := make([]byte, capacity)
		got := string(buffer[:writeText(buffer, text)])
		if !utf8.ValidString(got) {
			t.Fatalf("%d bytes: %q is not UTF-8", capacity, got)
		}
		switch {
		case capacity >= len(text):
			if got != text {
				t.Errorf("%d bytes: %q", capacity, got)
			}
		case capacity < len(truncated):
			if got != truncated[:capacity] {
				t.Errorf("%d bytes: %q does not say that it was cut", capacity, got)
			}
		case !strings.HasSuffix(got, truncated) || !strings.HasPrefix(text, strings.TrimSuffix(got, truncated)):
			t.Errorf("%d bytes: %q", capacity, got)
		case capacity-len(got) >= utf8.UTFMax:
			t.Errorf("%d bytes: only %d used", capacity, len(got))
		}
	}
}

func TestAPanicIsAnErrorAtTheCallerAndTheWorkerLivesOn(t *testing.T) {
	bounded(t)
	h := newHost(t, 1, 200)
	var empty []int
	panics := map[string]func(){
		"panic: text":               func() { panic("text") },
		"panic: an error":           func() { panic(errors.New("an error")) },
		"panic: 42":                 func() { panic(42) },
		"runtime error: index out":  func() { _ = empty[len(empty)] },
		"runtime error: invalid me": func() { var none *Request; none.Slot++ },
		"panic":                     func() { panic(nil) },
		"runtime.Goexit":            runtime.Goexit,
	}
	client := h.serve(t, echo)
	c := h.callers[0]
	for turn := 0; turn < 20; turn++ {
		for text, function := range panics {
			misbehave := function
			client.HandleMessage(func(request *Request, response []byte) (int, error) {
				if string(request.Data) == "misbehave" {
					misbehave()
				}
				return copy(response, request.Data), nil
			})
			got, err := c.call(MessageNormal, []byte("misbehave"))
			if err != nil {
				t.Fatal(err)
			}
			if got.status != answerHandlerFailed || !strings.Contains(string(got.payload), text) {
				t.Errorf("the answer is %v instead of a text with %q", got, text)
			}
			c.expect(t, MessageNormal, "next", ok(MessageNormal, "next"))
		}
	}
	if err := client.Close(); err != nil {
		t.Error(err)
	}
	if err := client.Wait(); err != nil {
		t.Error(err)
	}
}

type rudeError struct{}

func (rudeError) Error() string { runtime.Goexit(); return "" }

// Even the text of an error may end the goroutine.
func TestAnErrorWhoseTextMisbehaves(t *testing.T) {
	bounded(t)
	h := newHost(t, 1, 200)
	client := h.serve(t, echo)
	for _, handler := range []MessageHandler{
		func(*Request, []byte) (int, error) { return 0, rudeError{} },
		func(*Request, []byte) (int, error) { panic(rudeError{}) },
	} {
		client.HandleMessage(handler)
		h.callers[0].expect(t, MessageNormal, "", failedWith(goexitText))
	}
}

func TestAResponseLargerThanTheBuffer(t *testing.T) {
	bounded(t)
	h := newHost(t, 1, 64)
	client := h.serve(t, echo)
	c := h.callers[0]
	claim := func(size int) {
		client.HandleMessage(func(request *Request, response []byte) (int, error) { return size, nil })
	}
	const maxInt = int(^uint(0) >> 1)
	for _, size := range []int{65, 1 << 30, maxInt} {
		claim(size)
		c.expect(t, MessageNormal, "", answer{answerResponseTooLarge, MessageNormal, nil})
	}
	for _, size := range []int{-1, -maxInt - 1} {
		claim(size)
		c.expect(t, MessageNormal, "", failedWith(fmt.Sprintf("the handler returned the size %d", size)))
	}
	claim(64)
	c.expect(t, MessageNormal, "", ok(MessageNormal, string(c.slot.response)))
	for _, large := range []uint32{65, 1 << 31, 1<<32 - 1} {
		large := large
		client.Handle(func(req []byte, respBuf []byte) uint32 { return large })
		c.expect(t, MessageNormal, "", answer{answerResponseTooLarge, MessageNormal, nil})
	}
}

func TestTheHandlerCanBeReplacedWhileServing(t *testing.T) {
	bounded(t)
	h := newHost(t, 1, 64)
	client := h.serve(t, echo)
	c := h.callers[0]
	c.expect(t, MessageNormal, "a", ok(MessageNormal, "a"))
	client.Handle(func(req []byte, respBuf []byte) uint32 { return uint32(copy(respBuf, "other")) })
	c.expect(t, MessageNormal, "a", ok(MessageNormal, "other"))
	client.Handle(nil)
	c.expect(t, MessageNormal, "a", answer{answerUnknownMessage, MessageNormal, nil})
	client.HandleMessage(echo)
	c.expect(t, MessageNormal, "a", ok(MessageNormal, "a"))
}

func TestNoAllocationPerRequest(t *testing.T) {
	bounded(t)
	h := newHost(t, 1, 64)
	client := h.connect(t)
	client.Handle(func(req []byte, respBuf []byte) uint32 { return uint32(copy(respBuf, req)) })
	if err := client.Start(); err != nil {
		t.Fatal(err)
	}
	c := h.callers[0]
	for _, size := range []int{0, 16, 64} {
		payload := make([]byte, size)
		for _, id := range []uint32{MessageNormal, MessageFirstUser, MessageHeartbeatRequest} {
			if allocations := testing.AllocsPerRun(1000, func() { c.call(id, payload) }); allocations != 0 {
				t.Errorf("message %d of %d bytes: %v allocations per request", id, size, allocations)
			}
		}
	}
}

func BenchmarkEcho64(b *testing.B) {
	bounded(b)
	h := newHost(b, 1, 64)
	h.serve(b, echo)
	payload := make([]byte, 64)
	b.ReportAllocs()
	b.ResetTimer()
	for i := 0; i < b.N; i++ {
		h.callers[0].call(MessageNormal, payload)
	}
}
