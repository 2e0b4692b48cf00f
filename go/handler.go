// SPDX-License-Identifier: Apache-2.0

package shm

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync/atomic"
	"time"
	"unicode/utf8"
)

// Request is one request as a MessageHandler gets it. It belongs to the library and is valid, like all
// that it leads to, until the handler returns.
type Request struct {
	// Data is the payload. Unless it is small, it lies in shared memory: not to be written to, and a hostile
	// host may change it meanwhile, so that a handler that decides on a byte twice copies it first.
	Data []byte
	// MessageID is MessageNormal or the caller's own, from MessageFirstUser on.
	MessageID uint32
	// Slot is the index of the slot that it came through.
	Slot int
	// TransportID is unique in the region among the last 2^41 requests of the slot. Its low 7 bits say
	// something of the message, so that ids of one slot are no count of requests.
	TransportID uint64

	annex     *annexLine
	room      []byte // of the response buffer
	atEnd     bool   // the response is the last bytes of the room
	engaged   bool   // one of the next two is not nil
	context   *requestContext
	later     *Pending
	responder *responder // in whose handler it is; nil: in none

	turn uint32 // atomic; of the ResponseBuffer that may be written
	sent int    // bytes that it sent
}

// Deadline is when the caller gives up, and false if it did not say. It is what the caller said, and
// information only.
func (r *Request) Deadline() (time.Time, bool) {
	deadline := uint64(0)
	if r.annex != nil {
		deadline = atomic.LoadUint64(&r.annex.deadline)
	}
	if deadline == 0 {
		return time.Time{}, false
	}
	since := int64(deadline - monotonicStart) // the subtraction wraps around below 0, the conversion back
	if deadline > math.MaxInt64 {
		since = math.MaxInt64
	}
	return processStart.Add(time.Duration(since)), true
}

// TraceID is what the caller gave to recognise the request by in traces; 0: nothing.
func (r *Request) TraceID() uint64 {
	if r.annex == nil {
		return 0
	}
	return atomic.LoadUint64(&r.annex.traceID)
}

// overContext is the context of requests that are over.
var overContext = func() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}()

// Context is done when the caller gave up, at its Deadline, when the host is gone, when this client ends, and after the
// request was answered, as it is when the handler returns. A response that nobody waits for any more is to be
// given all the same.
//
// It is to be called by the handler, in its own goroutine, and costs nothing before. Its Err looks at what the caller says now.
// Its Done is told by the system: by a goroutine that sleeps until the caller gives up, once the handler has run for a
// tenth of a millisecond.
//
// A Request that did not come from the library has the background context.
func (r *Request) Context() context.Context {
	switch {
	case r.responder != nil && r.isCurrent():
		return r.responder.contextOfRequest()
	case r.responder != nil:
		return overContext
	case r.context != nil:
		return r.context
	}
	return context.Background()
}

// MessageHandler answers one request: it writes the response into the buffer, which lies in shared
// memory, and returns its size.
//
// An error reaches the caller as the status HANDLER_FAILED with the error's text as the response,
// shortened if it does not fit; an error that is ErrUnknownMessage reaches it as UNKNOWN_MESSAGE. A size
// larger than the buffer reaches it as RESPONSE_TOO_LARGE. A panic, and a call of runtime.Goexit, count
// as an error. What no Go program can recover from, as a concurrent map write or an access to memory that
// is not there, ends the process. Only if the region's own memory was taken away, by somebody who cut its
// object short, that ends the client alone, with ErrRegionLost; but goroutines that the handler starts have no
// such guard, and must not touch the request and the response buffer if the host is not trusted.
//
// Each worker has a goroutine that calls it, so that it runs as many times at once as there are workers. It may
// call Close of its client, but not Wait, which would wait for the handler itself.
type MessageHandler func(request *Request, response []byte) (int, error)

// plain makes a MessageHandler of a handler that knows sizes only.
func plain(handler func(req []byte, respBuf []byte) uint32) MessageHandler {
	return func(request *Request, response []byte) (int, error) {
		size := handler(request.Data, response)
		if uint64(size) > uint64(len(response)) {
			return len(response) + 1, nil // an int has 32 bits on some systems
		}
		return int(size), nil
	}
}

// outcome says what became of a request whose handler returned: a status and the size of the response.
func outcome(n int, err error, response []byte) (status, size uint32) {
	switch {
	case err == nil && n >= 0 && n <= len(response):
		return answerOK, uint32(n)
	case err == nil && n > len(response):
		return answerResponseTooLarge, 0
	case err == nil:
		return failed(response, fmt.Sprintf("the handler returned the size %d", n))
	case errors.Is(err, ErrUnknownMessage):
		return answerUnknownMessage, 0
	}
	return failed(response, err.Error())
}

// goexitText is for a handler whose goroutine ends, and for panic(nil) where Go cannot tell it from that.
const goexitText = "the handler called runtime.Goexit or panic(nil)"

func panicText(value interface{}) string {
	if value == nil {
		return goexitText
	}
	return fmt.Sprint("panic: ", value)
}

func failed(response []byte, text string) (status, size uint32) {
	return answerHandlerFailed, uint32(writeText(response, text))
}

const truncated = "... (truncated)"

// writeText copies a text into the buffer, in UTF-8 whatever it was; one that does not fit is cut
// between two characters and says so.
func writeText(buffer []byte, text string) int {
	text = strings.ToValidUTF8(text, string(utf8.RuneError))
	if len(text) <= len(buffer) {
		return copy(buffer, text)
	}
	if len(buffer) < len(truncated) {
		return copy(buffer, truncated)
	}
	end := len(buffer) - len(truncated)
	for end > 0 && !utf8.RuneStart(text[end]) {
		end--
	}
	return copy(buffer, text[:end]+truncated)
}
