// SPDX-License-Identifier: Apache-2.0

package shm

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"sync"
	"time"
)

// StreamOptions are those of one stream; the zero value has their defaults.
type StreamOptions struct {
	// RequestSize is how many bytes will be written, if that is known; 0: it is not. The other side may refuse it at once then.
	RequestSize int64
	// ResponseLimit is how many bytes of a response are taken at most; 0: as many as a stream has.
	ResponseLimit int64
	// Depth is how many guest slots to use, each for a piece in flight, at most 64; 0: 4, or as many as the client has.
	Depth int
}

const (
	defaultStreamDepth = 4
	// farewellLimit is how long the end of a stream waits for the other side to hear of it.
	farewellLimit = time.Second
)

// Stream is a call whose request and response are larger than a slot (spec, section 13): an io.WriteCloser of the one and
// an io.Reader of the other. One goroutine may read while another writes; both may also be done in turn, but who
// writes all before it reads needs a handler that reads all before it writes.
//
// Every error but io.EOF is a *CallError, which tells the fate.
type Stream struct {
	pool       *pool
	pipeline   *Pipeline
	context    context.Context
	number     uint64
	dataDepth  int // slots for pieces of the request
	totalDepth int
	pieceRoom  int // bytes of a piece of the request

	mutex   sync.Mutex // guards what follows
	changed *sync.Cond
	failed  *CallError
	closed  bool
	over    bool // the pipeline has ended

	data      int                 // pieces of the request in flight
	next      uint64              // the next one's number
	oldest    uint64              // the number of the oldest that was not answered
	answered  map[uint64]struct{} // younger ones that were
	sent      uint64              // bytes of it
	announced uint64
	whole     bool // nothing follows
	acks      [][]byte

	nexts    int // wishes in flight
	dry      bool
	pieces   map[uint64]*responsePiece // that came, by their offsets
	buffers  [][]byte                  // for more of them
	received uint64                    // bytes that were read
	size     uint64                    // of the response; streamUnknownSize
	last     bool                      // the piece with LAST has come
	limit    uint64
	reaped   chan struct{}
}

type responsePiece struct {
	buffer []byte
	bytes  []byte
	read   int
}

// Stream calls the host with a stream, through guest slots that it holds until Close. Each piece may take until the deadline
// of ctx, or as long as WithCallTimeout says; as soon as ctx is done the stream fails. The caller closes it.
//
// Errors: those of Pipeline; ErrInvalidArgument, ErrBadMessageID; ErrRequestTooLarge (the slots are too small for streams, or the
// handler takes less); ErrUnknownMessage (the host takes no streams with this message id), ErrBusy (it has as many as it allows).
func (c *Client) Stream(ctx context.Context, messageID uint32, options StreamOptions) (*Stream, error) {
	s, opening, failed := c.newStream(ctx, messageID, options)
	if failed != nil {
		return nil, failed
	}
	var err error
	if s.pipeline, err = c.Pipeline(ctx, s.totalDepth); err != nil {
		return nil, err
	}
	if failed := s.open(opening); failed != nil {
		s.pipeline.Close()
		return nil, failed
	}
	go s.reap()
	go s.awaitEnd()
	s.mutex.Lock()
	s.pump()
	s.mutex.Unlock()
	return s, nil
}

func (c *Client) newStream(ctx context.Context, messageID uint32, o StreamOptions) (*Stream, []byte, *CallError) {
	if c == nil || ctx == nil {
		return nil, nil, callError(ErrInvalidArgument, NotStarted, nil, "the client or the context is nil")
	}
	p := c.calls.Load().(*pool)
	if failed := p.check(messageID, nil); failed != nil {
		return nil, nil, failed
	}
	layout := &p.attachment.region.layout
	if layout.requestCapacity <= streamPiece || layout.responseCapacity <= streamPiece {
		return nil, nil, callError(ErrRequestTooLarge, NotStarted, nil,
			"a stream needs slots of more than %d bytes in each direction; let the host create larger ones", streamPiece)
	}
	if o.Depth == 0 {
		o.Depth = atMostBytes(defaultStreamDepth, len(p.callers))
	}
	if o.Depth < 0 || o.Depth > streamMaxWindow || o.RequestSize < 0 || o.RequestSize > streamMaxSize ||
		o.ResponseLimit < 0 || o.ResponseLimit > streamMaxSize || messageID == MessageHeartbeatRequest {
		return nil, nil, callError(ErrInvalidArgument, NotStarted, nil,
			"a stream with the message id %d, %d slots, %d bytes of request, at most %d of response", messageID, o.Depth, o.RequestSize, o.ResponseLimit)
	}
	s := &Stream{pool: p, context: ctx, totalDepth: o.Depth, dataDepth: (o.Depth + 1) / 2,
		pieceRoom: int(layout.requestCapacity) - streamPiece, announced: streamUnknownSize, size: streamUnknownSize,
		limit: streamMaxSize, pieces: map[uint64]*responsePiece{}, answered: map[uint64]struct{}{}, reaped: make(chan struct{})}
	s.changed = sync.NewCond(&s.mutex)
	opening := make([]byte, streamOpenSize)
	if o.RequestSize > 0 {
		s.announced = uint64(o.RequestSize)
	}
	if o.ResponseLimit > 0 {
		s.limit = uint64(o.ResponseLimit)
	}
	binary.LittleEndian.PutUint64(opening, s.announced)
	binary.LittleEndian.PutUint64(opening[8:], s.limit)
	binary.LittleEndian.PutUint32(opening[16:], messageID)
	binary.LittleEndian.PutUint32(opening[20:], uint32(s.dataDepth))
	for i := 0; i < s.totalDepth; i++ {
		s.acks = append(s.acks, make([]byte, streamAnswerText+streamMaxText))
		s.buffers = append(s.buffers, make([]byte, layout.responseCapacity))
	}
	return s, opening, nil
}

func (s *Stream) open(opening []byte) *CallError {
	answer := make([]byte, streamAnswerText+streamMaxText)
	err := s.pipeline.Submit(s.context, Submission{MessageID: messageStreamOpen, Request: opening, Response: answer, library: true})
	var told [1]Completion
	for n := 0; err == nil && n == 0; {
		if n, err = s.pipeline.Reap(s.context, told[:]); n == 1 {
			err = told[0].Err
		}
	}
	if err != nil {
		return asCallError(err)
	}
	_, number, failed := readStreamAnswer(told[0].Response, NotStarted)
	if failed == nil && number == 0 {
		failed = violated("the host gave a stream no number")
	}
	s.number = number
	return failed
}

func asCallError(err error) *CallError {
	var failed *CallError
	if errors.As(err, &failed) {
		return failed
	}
	return callError(ErrClosedMaybeExecuted, MaybeExecuted, err, "the stream could not go on")
}

// readStreamAnswer reads what stands before the bytes of an answer. Fate is that of a stream which the other side does not take.
func readStreamAnswer(answer []byte, refused Fate) (flags uint32, value uint64, failed *CallError) {
	if len(answer) < streamAnswerText {
		return 0, 0, violated("the answer of a stream has %d bytes", len(answer))
	}
	flags, value = binary.LittleEndian.Uint32(answer[4:]), binary.LittleEndian.Uint64(answer[8:])
	text := make([]byte, streamMaxText)
	text = text[:writeText(text, string(answer[streamAnswerText:]))]
	switch outcome := binary.LittleEndian.Uint32(answer); outcome {
	case streamOk:
	case streamHandlerFailed:
		failed = callError(ErrHandlerFailed, Answered, nil, "%s", text)
	case streamUnknownStream:
		failed = callError(ErrStreamLost, MaybeExecuted, nil, "%s", text)
	case streamNoHandler:
		failed = callError(ErrUnknownMessage, refused, nil, "%s", text)
	case streamTooMany:
		failed = callError(ErrBusy, refused, nil, "%s", text)
	case streamTooLarge:
		failed = callError(ErrRequestTooLarge, refused, nil, "%s", text)
		if refused != NotStarted { // the handler had begun
			failed = callError(ErrHandlerFailed, Answered, nil, "%s", text)
		}
	case streamResponseTooLarge:
		failed = callError(ErrResponseTooLarge, Answered, nil, "%s", text)
	case streamBroken:
		failed = violated("the other side found the stream broken: %s", text)
	case streamOutOfMemory:
		failed = callError(ErrSystem, refused, nil, "the other side is short of memory: %s", text)
	default:
		failed = violated("the answer of a stream has the unknown outcome %d", outcome)
	}
	return flags, value, failed
}

// ---- The request ----

// Write sends more of the request. It waits while as many pieces are in flight as there are slots for them. Once the handler takes
// no more of the request the rest is dropped, and that is no error.
func (s *Stream) Write(from []byte) (written int, err error) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if s.announced != streamUnknownSize && s.sent+uint64(len(from)) > s.announced || s.sent+uint64(len(from)) > streamMaxSize {
		return 0, callError(ErrInvalidArgument, MaybeExecuted, nil,
			"%d bytes after %d are more than the request was said to have, or any has", len(from), s.sent)
	}
	for len(from) > 0 {
		if failed := s.awaitRoom(); failed != nil {
			return written, failed
		}
		if s.whole {
			if s.closed {
				return written, s.overError()
			}
			return written + len(from), nil // the handler takes no more
		}
		n := atMostBytes(len(from), s.pieceRoom)
		last := s.sent+uint64(n) == s.announced
		if failed := s.send(from[:n], last); failed != nil {
			return written, failed
		}
		written, from = written+n, from[n:]
	}
	return written, nil
}

// awaitRoom waits until a piece of the request may be sent, or none any more. With the mutex.
func (s *Stream) awaitRoom() *CallError {
	for s.failed == nil && !s.whole && (s.next-s.oldest >= uint64(s.dataDepth) || s.data+s.nexts >= s.totalDepth) {
		s.changed.Wait()
	}
	return s.failed
}

// send submits one piece of the request. With the mutex.
func (s *Stream) send(piece []byte, last bool) *CallError {
	var head [streamPiece]byte
	binary.LittleEndian.PutUint64(head[:], s.number)
	binary.LittleEndian.PutUint64(head[8:], s.sent)
	if last {
		binary.LittleEndian.PutUint32(head[16:], streamLast)
	}
	ack := s.acks[len(s.acks)-1]
	err := s.pipeline.Submit(s.context, Submission{MessageID: messageStreamData, Request: piece, Response: ack, Tag: messageStreamData | s.next<<8,
		library: true, head: &head})
	if err != nil {
		s.fail(asCallError(err))
		return s.failed
	}
	s.acks = s.acks[:len(s.acks)-1]
	s.data++
	s.next++
	s.sent += uint64(len(piece))
	s.whole = s.whole || last
	s.changed.Broadcast()
	return nil
}

// CloseWrite says that the request is whole. A second time it does nothing. With a RequestSize it is an error before so many bytes
// were written.
func (s *Stream) CloseWrite() error {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if s.announced != streamUnknownSize && s.sent < s.announced && !s.whole {
		return callError(ErrInvalidArgument, MaybeExecuted, nil, "%d bytes of the request were written, %d were said", s.sent, s.announced)
	}
	failed := s.awaitRoom()
	if failed == nil && !s.whole {
		failed = s.send(nil, true)
	}
	if failed != nil {
		return failed
	}
	s.pump()
	return nil
}

// ---- The response ----

// Read reads the response. It returns io.EOF at its end, after the request was taken as far as the handler wants it.
func (s *Stream) Read(to []byte) (int, error) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if len(to) == 0 {
		return 0, nil
	}
	for {
		if piece := s.pieces[s.received]; piece != nil {
			return s.readPiece(piece, to), nil
		}
		if s.last && s.received == s.size {
			return 0, io.EOF
		}
		if s.failed != nil {
			return 0, s.failed
		}
		s.changed.Wait()
	}
}

func (s *Stream) readPiece(piece *responsePiece, to []byte) int {
	n := copy(to, piece.bytes[piece.read:])
	delete(s.pieces, s.received)
	s.received += uint64(n)
	if piece.read += n; piece.read < len(piece.bytes) {
		s.pieces[s.received] = piece
	} else {
		s.buffers = append(s.buffers, piece.buffer)
		s.pump()
	}
	return n
}

// ReadAll reads the rest of the response, which may have at most that many bytes: ErrResponseTooLarge otherwise.
func (s *Stream) ReadAll(limit int64) ([]byte, error) { return readAll(s, limit, ErrResponseTooLarge) }

// Progress tells how many bytes of the request were sent, how many of the response were read, and how many that has, or -1 if
// that is not known.
func (s *Stream) Progress() (sent, received, size int64) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	size = -1
	if s.size != streamUnknownSize {
		size = int64(s.size)
	}
	return int64(s.sent), int64(s.received), size
}

// pump asks for more of the response, as far as there are slots and buffers for it. With the mutex.
func (s *Stream) pump() {
	for s.failed == nil && !s.closed && !s.last && len(s.buffers) > 0 && s.mayAsk() {
		buffer := s.buffers[len(s.buffers)-1]
		var wish [streamNextSize]byte
		binary.LittleEndian.PutUint64(wish[:], s.number)
		err := s.pipeline.Submit(s.context, Submission{MessageID: messageStreamNext, Request: wish[:], Response: buffer, Tag: messageStreamNext, library: true})
		if err != nil {
			s.fail(asCallError(err))
			return
		}
		s.buffers = s.buffers[:len(s.buffers)-1]
		s.nexts++
		s.changed.Broadcast()
	}
}

// mayAsk: until the request is whole some slots are left to it, since the other side may keep wishes until it has more of it.
func (s *Stream) mayAsk() bool {
	switch {
	case s.dry:
		return s.whole && s.data+s.nexts == 0
	case s.whole:
		return s.data+s.nexts < s.totalDepth
	}
	return s.nexts < s.totalDepth-s.dataDepth
}

// ---- Completions ----

// reap handles completions until the stream is closed.
func (s *Stream) reap() {
	defer close(s.reaped)
	told := make([]Completion, s.totalDepth)
	for {
		s.mutex.Lock()
		for s.data+s.nexts == 0 && !s.closed && !(s.over && s.failed == nil) {
			s.changed.Wait()
		}
		closed := s.closed
		s.mutex.Unlock()
		if closed {
			return
		}
		n, err := s.pipeline.Reap(context.Background(), told)
		s.mutex.Lock()
		for i := range told[:n] {
			s.complete(&told[i])
		}
		if err != nil {
			s.fail(s.whyOver(err))
			s.data, s.nexts = 0, 0
		}
		s.pump()
		s.changed.Broadcast()
		s.mutex.Unlock()
	}
}

// whyOver is the failure of a stream whose pipeline is over: a handler knows of it.
func (s *Stream) whyOver(err error) *CallError {
	if s.pipeline.reasonToEnd() == endStopped {
		return s.pool.stopped(MaybeExecuted)
	}
	return asCallError(err)
}

// awaitEnd tells who reads of the end of the context and of the pipeline while nothing is in flight that would end with them.
func (s *Stream) awaitEnd() {
	select {
	case <-s.reaped:
	case <-s.context.Done():
		failed := s.pool.gaveUp(&limit{ctx: s.context}, endContext, MaybeExecuted, nil)
		s.mutex.Lock()
		s.fail(failed)
		s.mutex.Unlock()
	case <-s.pipeline.over:
		s.mutex.Lock()
		s.over = true
		s.changed.Broadcast()
		s.mutex.Unlock()
	}
}

// complete takes the answer to one request. With the mutex.
func (s *Stream) complete(told *Completion) {
	s.dry = false
	isData := told.Tag != messageStreamNext
	if isData {
		s.data--
		s.notePiece(told.Tag >> 8)
		s.acks = append(s.acks, make([]byte, streamAnswerText+streamMaxText))
	} else {
		s.nexts--
	}
	if told.Err != nil {
		s.fail(asCallError(told.Err))
		return
	}
	flags, offset, failed := readStreamAnswer(told.Response, MaybeExecuted)
	switch {
	case failed != nil:
		s.fail(failed)
	case isData:
		s.whole = s.whole || flags&streamEnough != 0
	default:
		s.takePiece(told.Response, offset, flags&streamLast != 0)
	}
}

// notePiece counts a piece of the request that was answered: the window begins with the oldest that was not. With the mutex.
func (s *Stream) notePiece(number uint64) {
	s.answered[number] = struct{}{}
	for {
		if _, is := s.answered[s.oldest]; !is {
			return
		}
		delete(s.answered, s.oldest)
		s.oldest++
	}
}

// takePiece checks a piece as the spec's section 13.3 says, and keeps it. With the mutex.
func (s *Stream) takePiece(answer []byte, offset uint64, last bool) {
	if len(answer) < streamPiece {
		s.fail(violated("a piece of a response has %d bytes", len(answer)))
		return
	}
	bytes, whole := answer[streamPiece:], binary.LittleEndian.Uint64(answer[16:])
	if len(bytes) == 0 && !last {
		s.dry = true
		s.buffers = append(s.buffers, answer[:cap(answer)])
		return
	}
	end := offset + uint64(len(bytes))
	if wrong := s.checkPiece(offset, end, whole, last); wrong != "" {
		s.fail(violated("%s: %d to %d of %d", wrong, offset, end, whole))
		return
	}
	if whole != streamUnknownSize {
		s.size = whole
	}
	if last {
		s.last, s.size = true, end
	}
	if len(bytes) > 0 {
		s.pieces[offset] = &responsePiece{buffer: answer[:cap(answer)], bytes: bytes}
	} else {
		s.buffers = append(s.buffers, answer[:cap(answer)])
	}
	if s.last && s.nexts == 0 && s.hasGap() {
		s.fail(violated("bytes of the response are missing"))
	}
}

func (s *Stream) checkPiece(offset, end, whole uint64, last bool) (wrong string) {
	switch {
	case offset > s.limit || end > s.limit:
		return "a piece of the response exceeds what is taken"
	case whole != streamUnknownSize && (whole > s.limit || s.size != streamUnknownSize && whole != s.size):
		return "the response has another size"
	case end > whole || end > s.size || last && whole != streamUnknownSize && end != whole || last && s.size != streamUnknownSize && end != s.size:
		return "a piece of the response is not where it belongs"
	case offset < s.received && end != offset:
		return "a piece of the response comes twice"
	}
	for at, other := range s.pieces {
		if offset < at+uint64(len(other.bytes)-other.read) && at < end {
			return "a piece of the response comes twice"
		}
	}
	return ""
}

func (s *Stream) hasGap() bool {
	at := s.received
	for piece := s.pieces[at]; piece != nil; piece = s.pieces[at] {
		at += uint64(len(piece.bytes) - piece.read)
	}
	return at != s.size
}

// ---- The end ----

// fail ends all waits. What came of the response can still be read. With the mutex.
func (s *Stream) fail(failed *CallError) {
	if s.failed == nil {
		s.failed = failed
	}
	s.changed.Broadcast()
}

func (s *Stream) overError() *CallError {
	if s.failed != nil {
		return s.failed
	}
	return callError(ErrStreamAborted, MaybeExecuted, nil, "it was closed here")
}

// Abort ends the stream; the handler is told, with the first 256 bytes of the reason. Read and Write fail with ErrStreamAborted.
// Close is still to be called.
func (s *Stream) Abort(reason string) {
	s.mutex.Lock()
	s.fail(callError(ErrStreamAborted, MaybeExecuted, nil, "%s", reason))
	s.mutex.Unlock()
}

// Close ends the stream and gives its slots back. If the whole response was not read it aborts the stream. Twice does no harm.
//
// Its error is that of the stream, if that has failed by itself.
func (s *Stream) Close() error {
	s.mutex.Lock()
	if s.closed {
		s.mutex.Unlock()
		return nil
	}
	finished := s.last && s.received == s.size
	failed := s.failed
	if !finished && failed == nil {
		s.fail(s.overError())
	}
	s.closed, s.whole = true, true
	s.changed.Broadcast()
	s.mutex.Unlock()
	s.pipeline.Close()
	<-s.reaped
	s.sayFarewell(finished, failed)
	if finished || failed == nil || errors.Is(failed, ErrStreamAborted) {
		return nil
	}
	return failed
}

// sayFarewell lets the other side forget the stream. If it does not hear of it the idle time does that.
func (s *Stream) sayFarewell(finished bool, failed *CallError) {
	farewell := make([]byte, streamEndText, streamEndText+streamMaxText)
	binary.LittleEndian.PutUint64(farewell, s.number)
	if !finished {
		binary.LittleEndian.PutUint32(farewell[8:], streamAborted)
		if failed != nil {
			text := farewell[streamEndText:cap(farewell)]
			room := int(s.pool.attachment.region.layout.requestCapacity) - streamEndText
			text = text[:atMostBytes(len(text), room)]
			farewell = farewell[:streamEndText+writeText(text, failed.Text())]
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), farewellLimit)
	defer cancel()
	l := newLimit(ctx, farewellLimit)
	var answer [streamAnswerText + streamMaxText]byte
	_, _ = s.pool.call(&l, messageStreamEnd, farewell, answer[:])
}
