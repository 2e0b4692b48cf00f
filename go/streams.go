// SPDX-License-Identifier: Apache-2.0

package shm

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"sync"
	"time"
)

// StreamHandler handles one stream, whose request and response are larger than a slot (spec, section 13): it reads the
// one from the stream and writes the other to it, in any order and also at the same time, and returns when it has
// written all. What it leaves of the request is dropped.
//
// The context is done when the caller aborted the stream or broke its rules, when nothing was heard of it for the
// idle time, when the host is gone, and when this client ends. Read and Write then fail.
//
// An error reaches the caller as the status HANDLER_FAILED with the first 256 bytes of its text, and so does a panic, or
// a call of runtime.Goexit. It runs in a goroutine of its own.
type StreamHandler func(ctx context.Context, stream *ServedStream) error

const (
	// DefaultMostStreams is how many streams a client serves at a time. More are refused as BUSY at their callers.
	DefaultMostStreams = 64
	// DefaultStreamIdle is how long a stream lives of which nothing is heard.
	DefaultStreamIdle = 10 * time.Second
)

// streamTable has the handlers of streams and the streams that are open.
type streamTable struct {
	most int
	idle time.Duration

	mutex    sync.Mutex // guards what follows
	handlers map[uint32]streamRoute
	open     map[uint64]*ServedStream
}

// streamRoute is who handles the streams of one message id, and how many bytes of a request.
type streamRoute struct {
	handler StreamHandler
	limit   uint64
}

// HandleStream names the handler of streams with that message id, in the place of an earlier one, beside the handler of
// ordinary requests. The id is MessageNormal or one from MessageFirstUser on; a nil handler refuses such streams.
// A request of more bytes than the limit, if that is not 0, is refused: before the handler is called, if its size is known. It
// is to be called before Start. Errors: ErrInvalidArgument; ErrBusy after Start.
func (c *Client) HandleStream(messageID uint32, limit int64, handler StreamHandler) error {
	if c == nil {
		return &failure{ErrInvalidArgument, "the client is nil", nil}
	}
	if messageID != MessageNormal && messageID < MessageFirstUser {
		return &failure{ErrInvalidArgument, fmt.Sprintf("the message id %d is no stream's; use %d or %d and above",
			messageID, MessageNormal, MessageFirstUser), nil}
	}
	if limit < 0 || limit > streamMaxSize {
		return &failure{ErrInvalidArgument, fmt.Sprintf("the limit of a stream's request is %d; give 0 to %d", limit, int64(streamMaxSize)), nil}
	}
	if limit == 0 {
		limit = streamMaxSize
	}
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if c.started {
		return &failure{ErrBusy, "the client was started before; name the handlers of streams first", nil}
	}
	if c.streams == nil {
		c.streams = &streamTable{most: c.settings.mostStreams, idle: c.settings.streamIdle,
			handlers: map[uint32]streamRoute{}, open: map[uint64]*ServedStream{}}
	}
	if handler == nil {
		delete(c.streams.handlers, messageID)
	} else {
		c.streams.handlers[messageID] = streamRoute{handler, uint64(limit)}
	}
	return nil
}

// takesStreams tells whether requests of streams are to reach the table: slots that are too small never carry one.
func (t *streamTable) takesStreams(s *slot) bool {
	return t != nil && len(s.request) > streamPiece && len(s.response) > streamPiece
}

// serve answers one request of a stream, at once or later.
func (t *streamTable) serve(request *Request, response []byte) (int, error) {
	if request.MessageID == messageStreamOpen {
		return t.serveOpen(request, response), nil
	}
	if len(request.Data) < streamNextSize {
		return refuseStream(response, streamBroken, "the request has no stream's number"), nil
	}
	number := binary.LittleEndian.Uint64(request.Data)
	t.mutex.Lock()
	s := t.open[number]
	t.mutex.Unlock()
	if s == nil {
		return refuseStream(response, streamUnknownStream, "there is no such stream, or no longer"), nil
	}
	s.heard()
	switch request.MessageID {
	case messageStreamData:
		return s.serveData(request, response), nil
	case messageStreamNext:
		return s.serveNext(request, response), nil
	}
	return s.serveEnd(request, response), nil
}

// readOpening makes a private, checked copy of what opens a stream; the text says what is wrong with it.
func readOpening(data []byte) (opening streamOpen, wrong string) {
	if len(data) < streamOpenSize {
		return opening, "the opening is too short"
	}
	opening = streamOpen{
		requestSize:   binary.LittleEndian.Uint64(data),
		responseLimit: binary.LittleEndian.Uint64(data[8:]),
		messageID:     binary.LittleEndian.Uint32(data[16:]),
		window:        binary.LittleEndian.Uint32(data[20:]),
	}
	switch {
	case opening.requestSize > streamMaxSize && opening.requestSize != streamUnknownSize:
		wrong = "the request is larger than any stream's"
	case opening.messageID != MessageNormal && opening.messageID < MessageFirstUser:
		wrong = "the message id is reserved"
	case opening.window < 1 || opening.window > streamMaxWindow:
		wrong = "the window is out of its range"
	}
	if opening.responseLimit > streamMaxSize {
		opening.responseLimit = streamMaxSize
	}
	return opening, wrong
}

func (t *streamTable) serveOpen(request *Request, response []byte) int {
	opening, wrong := readOpening(request.Data)
	if wrong != "" {
		return refuseStream(response, streamBroken, wrong)
	}
	t.mutex.Lock()
	defer t.mutex.Unlock()
	route := t.handlers[opening.messageID]
	if route.handler == nil {
		return refuseStream(response, streamNoHandler, "nobody takes streams with this message id")
	}
	if opening.requestSize != streamUnknownSize && opening.requestSize > route.limit {
		return refuseStream(response, streamTooLarge, fmt.Sprintf("at most %d bytes are taken", route.limit))
	}
	if len(t.open) >= t.most {
		return refuseStream(response, streamTooMany, "as many streams are open as are allowed; try again later")
	}
	number, err := t.freshNumber()
	if err != nil {
		return refuseStream(response, streamOutOfMemory, err.Error())
	}
	s := newServedStream(t, number, opening, route.limit, request.responder.worker.attachment)
	t.open[number] = s
	go s.run(route.handler)
	return putStreamAnswer(response, streamOk, 0, number)
}

// freshNumber is one that nobody can guess. With the mutex.
func (t *streamTable) freshNumber() (uint64, error) {
	for {
		var bytes [8]byte
		if _, err := rand.Read(bytes[:]); err != nil {
			return 0, err
		}
		number := binary.LittleEndian.Uint64(bytes[:])
		if number != 0 && t.open[number] == nil {
			return number, nil
		}
	}
}

func (t *streamTable) forget(number uint64) {
	t.mutex.Lock()
	delete(t.open, number)
	t.mutex.Unlock()
}

// putStreamAnswer writes the beginning of an answer and returns its size. There is always room for it.
func putStreamAnswer(response []byte, outcome, flags uint32, value uint64) int {
	binary.LittleEndian.PutUint32(response, outcome)
	binary.LittleEndian.PutUint32(response[4:], flags)
	binary.LittleEndian.PutUint64(response[8:], value)
	return streamAnswerText
}

// refuseStream answers that there is no stream, or no more of it, and why.
func refuseStream(response []byte, outcome uint32, text string) int {
	size := putStreamAnswer(response, outcome, 0, 0)
	room := response[size:]
	if len(room) > streamMaxText {
		room = room[:streamMaxText]
	}
	return size + writeText(room, text)
}
