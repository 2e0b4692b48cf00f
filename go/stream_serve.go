// SPDX-License-Identifier: Apache-2.0

package shm

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"sync"
	"time"
)

// ServedStream is a stream as its handler sees it: an io.Reader of the request and an io.Writer of the response. One
// goroutine may read while another writes. Who writes before it has read all needs a caller with more than one slot: one
// with a single slot asks for nothing before it has sent all.
//
// The pieces stay in their slots until the handler has read them, and are written there: nothing is kept in between,
// so who produces faster than the other side takes waits.
type ServedStream struct {
	table      *streamTable
	number     uint64
	opening    streamOpen
	limit      uint64 // bytes of the request at most
	attachment *attachment
	context    context.Context
	cancel     context.CancelFunc
	idle       *time.Timer

	mutex   sync.Mutex // guards what follows
	changed *sync.Cond
	ended   bool // the handler has returned
	why     error
	outcome uint32 // of all that is asked from now on, if ended
	text    string

	pieces []*requestPiece // that came and were not read yet
	taken  uint64          // bytes of the request that the handler has read
	end    uint64          // of the request; streamUnknownSize: not known yet
	over   bool            // the piece with LAST has come

	wishes    []*Pending // for a piece of the response
	piece     *Pending   // that is being filled
	filled    int        // bytes of it
	given     uint64     // bytes of the response before it
	announced uint64     // bytes of the whole response; streamUnknownSize: not said

	reader directCopy // of a Read that waits
	writer directCopy // of a Write that waits

	reading sync.Mutex // one reader at a time
	writing sync.Mutex // one writer at a time
}

// requestPiece is one that stays in its slot until it was read.
type requestPiece struct {
	from    *Pending
	offset  uint64
	bytes   []byte // in shared memory
	read    int
	inUse   bool // by a reader, outside the mutex
	expired bool // answered meanwhile in its place: the reader answers
}

func newServedStream(t *streamTable, number uint64, opening streamOpen, limit uint64, a *attachment) *ServedStream {
	s := &ServedStream{table: t, number: number, opening: opening, limit: limit, attachment: a,
		end: opening.requestSize, announced: streamUnknownSize}
	s.changed = sync.NewCond(&s.mutex)
	s.context, s.cancel = context.WithCancel(a.context)
	s.idle = time.AfterFunc(t.idle, s.becameIdle)
	return s
}

// MessageID is the stream's.
func (s *ServedStream) MessageID() uint32 { return s.opening.messageID }

// RequestSize is how many bytes the request has, or -1 if the caller did not know when it began.
func (s *ServedStream) RequestSize() int64 {
	if s.opening.requestSize == streamUnknownSize {
		return -1
	}
	return int64(s.opening.requestSize)
}

// ResponseLimit is how many bytes of a response the caller takes at most.
func (s *ServedStream) ResponseLimit() int64 { return int64(s.opening.responseLimit) }

// Announce says how many bytes the response will have, so that the caller knows from the first piece on. To write another
// number is an error then. Errors: ErrResponseTooLarge if the caller takes less; ErrInvalidArgument if it is less than was written.
func (s *ServedStream) Announce(size int64) error {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	switch {
	case size < 0 || uint64(size) < s.given+uint64(s.filled):
		return &failure{ErrInvalidArgument, fmt.Sprintf("a response of %d bytes was announced after %d", size, s.given+uint64(s.filled)), nil}
	case uint64(size) > s.opening.responseLimit:
		return s.tooLarge(uint64(size))
	}
	s.announced = uint64(size)
	return nil
}

func (s *ServedStream) tooLarge(size uint64) error {
	return &failure{ErrResponseTooLarge, fmt.Sprintf("a response of %d bytes, of which the caller takes %d", size, s.opening.responseLimit), nil}
}

// ---- The handler ----

func (s *ServedStream) run(handler StreamHandler) {
	go s.awaitEnd()
	returned := false
	var err error
	defer func() {
		if !returned {
			err = errors.New(panicText(recover()))
		}
		s.finish(err)
	}()
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	err = handler(s.context, s)
	returned = true
}

// awaitEnd lets the handler know that the client has ended, or the host.
func (s *ServedStream) awaitEnd() {
	<-s.context.Done()
	s.mutex.Lock()
	ended := s.ended
	s.mutex.Unlock()
	if !ended {
		why := &failure{ErrClosedMaybeExecuted, "this side was closed", nil}
		if errors.Is(s.attachment.reason(), ErrPeerDied) {
			why = &failure{ErrPeerDiedMaybeExecuted, "the host is gone", nil}
		}
		s.stop(streamUnknownStream, why.text, why)
	}
}

// finish is for a handler that has returned.
func (s *ServedStream) finish(err error) {
	s.mutex.Lock()
	written := s.given + uint64(s.filled)
	switch {
	case s.ended:
	case err != nil:
		s.failLocked(outcomeOfStream(err), err.Error())
	case s.announced != streamUnknownSize && s.announced != written:
		s.failLocked(streamHandlerFailed, fmt.Sprintf("the handler wrote %d bytes of the %d that it had announced", written, s.announced))
	default:
		s.ended, s.announced = true, written
		s.dropRequest()
		s.endResponse()
	}
	s.mutex.Unlock()
}

// outcomeOfStream is what a handler's error is at the caller.
func outcomeOfStream(err error) uint32 {
	if errors.Is(err, ErrResponseTooLarge) {
		return streamResponseTooLarge
	}
	return streamHandlerFailed
}

// stop ends the stream for another reason than its handler.
func (s *ServedStream) stop(outcome uint32, text string, why error) {
	s.mutex.Lock()
	if !s.ended {
		s.why = why
		s.failLocked(outcome, text)
	}
	s.mutex.Unlock()
	s.cancel()
	s.idle.Stop()
	s.table.forget(s.number)
}

// failLocked answers all that waits, and all that comes, with that outcome. With the mutex.
func (s *ServedStream) failLocked(outcome uint32, text string) {
	s.ended, s.outcome, s.text = true, outcome, text
	if s.why == nil {
		s.why = errors.New(text)
	}
	for _, piece := range s.pieces {
		if piece.expired = piece.inUse; !piece.inUse {
			s.refuse(piece.from)
		}
	}
	for _, wish := range s.wishes {
		s.refuse(wish)
	}
	if s.piece != nil {
		s.refuse(s.piece)
	}
	s.pieces, s.wishes, s.piece = nil, nil, nil
	s.changed.Broadcast()
}

func (s *ServedStream) refuse(p *Pending) {
	s.respond(p, func(response []byte) int { return refuseStream(response, s.outcome, s.text) })
}

// respond answers one request in its slot.
func (s *ServedStream) respond(p *Pending, write func(response []byte) int) {
	response, size := p.Response(), 0
	err := p.role.slot.region.guarded(func() error { size = write(response); return nil })
	s.attachment.fail(err)
	_ = p.Respond(response[:size], nil) // the region is lost: the client ends
}

// heard puts the end for want of news off.
func (s *ServedStream) heard() { s.idle.Reset(s.table.idle) }

// becameIdle: a caller whose request is being handled has no reason to be heard of.
func (s *ServedStream) becameIdle() {
	s.mutex.Lock()
	handled := len(s.pieces) > 0 || len(s.wishes) > 0 || s.piece != nil
	s.mutex.Unlock()
	if handled {
		s.heard()
		return
	}
	s.stop(streamUnknownStream, "nothing was heard of the stream for too long", context.DeadlineExceeded)
}

// ---- The request ----

// serveData takes a piece of the request, or answers at once.
func (s *ServedStream) serveData(request *Request, response []byte) int {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if s.ended {
		return s.answerOfTheEnd(response, streamEnough, s.taken)
	}
	if len(request.Data) < streamPiece {
		return s.broken(response, "a piece is too short")
	}
	offset, flags := binary.LittleEndian.Uint64(request.Data[8:]), binary.LittleEndian.Uint32(request.Data[16:])
	size := uint64(len(request.Data) - streamPiece)
	last := flags&streamLast != 0
	if wrong := s.checkPiece(offset, size, last); wrong != "" {
		return s.broken(response, wrong)
	}
	if offset+size > s.limit {
		s.why = &failure{ErrRequestTooLarge, fmt.Sprintf("at most %d bytes are taken", s.limit), nil}
		s.failLocked(streamTooLarge, s.why.Error())
		s.cancel()
		return refuseStream(response, streamTooLarge, s.text)
	}
	if last {
		s.over, s.end = true, offset+size
	}
	if offset == s.taken && s.reader.waits(int(size)) {
		return s.handToReader(request.Data[streamPiece:], response)
	}
	from := request.Later()
	s.pieces = append(s.pieces, &requestPiece{from: from, offset: offset, bytes: from.Request().Data[streamPiece:]})
	s.changed.Broadcast()
	return 0
}

// checkPiece is section 13.3 of the spec. With the mutex.
func (s *ServedStream) checkPiece(offset, size uint64, last bool) (wrong string) {
	end := offset + size
	switch {
	case offset > streamMaxSize || end > streamMaxSize || end > s.end:
		return "a piece exceeds the request"
	case size == 0 && !last:
		return "an empty piece is not the last one"
	case s.opening.requestSize != streamUnknownSize && last != (end == s.opening.requestSize):
		return "the last piece is not where it belongs"
	case s.over && (last || end > s.end):
		return "a piece comes after the last one"
	case offset < s.taken:
		return "a piece comes twice"
	case len(s.pieces) >= int(s.opening.window):
		return "more pieces are in flight than the window has"
	}
	for _, other := range s.pieces {
		otherEnd := other.offset + uint64(len(other.bytes))
		if offset < otherEnd && other.offset < end || last && otherEnd > end {
			return "a piece comes twice"
		}
	}
	return ""
}

// broken ends the stream of a caller that broke a rule, which is told so until it says farewell. With the mutex.
func (s *ServedStream) broken(response []byte, wrong string) int {
	s.why = &failure{ErrProtocolViolated, wrong, nil}
	s.failLocked(streamBroken, wrong)
	s.cancel()
	return refuseStream(response, streamBroken, wrong)
}

// answerOfTheEnd is for what comes after the handler has returned. With the mutex.
func (s *ServedStream) answerOfTheEnd(response []byte, flags uint32, value uint64) int {
	if s.outcome != streamOk {
		return refuseStream(response, s.outcome, s.text)
	}
	return putStreamAnswer(response, streamOk, flags, value)
}

// nextPiece waits for the piece that follows, or until a worker has copied one. What was written goes first, since the
// caller may wait for it before it sends more.
func (s *ServedStream) nextPiece(to []byte) (piece *requestPiece, copied int, err error) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	defer func() { s.reader = directCopy{} }()
	for ; ; s.changed.Wait() {
		if s.reader.busy {
			continue
		}
		if s.reader.n > 0 {
			return nil, s.reader.n, nil
		}
		if s.ended {
			return nil, 0, s.reason()
		}
		for _, piece := range s.pieces {
			if piece.offset+uint64(piece.read) == s.taken && (piece.read < len(piece.bytes) || s.taken == s.end) {
				piece.inUse = true
				return piece, 0, nil
			}
		}
		if s.over && s.taken == s.end {
			return nil, 0, io.EOF
		}
		s.flushLocked()
		s.reader.bytes = to
	}
}

func (s *ServedStream) reason() error {
	if s.why == nil {
		return io.ErrClosedPipe // after the handler has returned
	}
	return s.why
}

// Read reads the request. It returns io.EOF at its end, and an error if the stream has ended before.
func (s *ServedStream) Read(to []byte) (int, error) {
	s.reading.Lock()
	defer s.reading.Unlock()
	if len(to) == 0 {
		return 0, nil
	}
	for {
		piece, n, err := s.nextPiece(to)
		if n > 0 || err != nil {
			return n, err
		}
		err = s.attachment.region.guarded(func() error { n = copy(to, piece.bytes[piece.read:]); return nil })
		s.attachment.fail(err)
		if err = s.release(piece, n, err); n > 0 || err != nil {
			return n, err
		}
	}
}

// release counts what was read of a piece, and answers it if that is all.
func (s *ServedStream) release(piece *requestPiece, n int, err error) error {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	piece.inUse = false
	if piece.expired {
		taken := s.taken
		s.respond(piece.from, func(response []byte) int { return s.answerOfTheEnd(response, streamEnough, taken) })
		return s.reason()
	}
	piece.read += n
	s.taken += uint64(n)
	if piece.read < len(piece.bytes) && err == nil {
		return nil
	}
	for i, other := range s.pieces {
		if other == piece {
			s.pieces = append(s.pieces[:i], s.pieces[i+1:]...)
			break
		}
	}
	taken := s.taken
	s.respond(piece.from, func(response []byte) int { return putStreamAnswer(response, streamOk, 0, taken) })
	return err
}

// dropRequest answers what the handler has not read. With the mutex.
func (s *ServedStream) dropRequest() {
	for _, piece := range s.pieces {
		if piece.expired = piece.inUse; !piece.inUse {
			taken := s.taken
			s.respond(piece.from, func(response []byte) int { return putStreamAnswer(response, streamOk, streamEnough, taken) })
		}
	}
	s.pieces = nil
	s.changed.Broadcast()
}

// ReadAll reads the rest of the request, which may have at most that many bytes: ErrRequestTooLarge otherwise.
func (s *ServedStream) ReadAll(limit int64) ([]byte, error) {
	if size := s.RequestSize(); size > limit {
		return nil, &failure{ErrRequestTooLarge, fmt.Sprintf("the request has %d bytes; at most %d are taken", size, limit), nil}
	}
	return readAll(s, limit, ErrRequestTooLarge)
}

// readAll reads what is left, at most so many bytes.
func readAll(from io.Reader, limit int64, tooLarge error) ([]byte, error) {
	all, err := io.ReadAll(io.LimitReader(from, limit))
	if err != nil {
		return all, err
	}
	var more [1]byte
	if n, _ := io.ReadFull(from, more[:]); n != 0 {
		return nil, &failure{tooLarge, fmt.Sprintf("there are more than %d bytes", limit), nil}
	}
	return all, nil
}

// ---- The response ----

// serveNext gives the piece that is being written, the end of the response, or keeps the wish.
func (s *ServedStream) serveNext(request *Request, response []byte) int {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if s.ended && s.outcome != streamOk {
		return refuseStream(response, s.outcome, s.text)
	}
	if s.ended {
		return putPiece(response, 0, streamLast, s.given, s.given)
	}
	if len(s.wishes) >= streamMaxWindow {
		return refuseStream(response, streamBroken, "too many pieces of the response are asked for")
	}
	if s.piece == nil && len(s.wishes) == 0 && s.writer.waits(len(response)-streamPiece) {
		return s.takeFromWriter(response)
	}
	s.wishes = append(s.wishes, request.Later())
	s.changed.Broadcast()
	return 0
}

// putPiece writes what stands before the bytes of a piece and returns the size of the whole.
func putPiece(response []byte, size int, flags uint32, offset, whole uint64) int {
	putStreamAnswer(response, streamOk, flags, offset)
	binary.LittleEndian.PutUint64(response[16:], whole)
	for i := range response[24:streamPiece] {
		response[24+i] = 0
	}
	return streamPiece + size
}

// Write writes to the response. It waits until the caller has room. Errors: ErrResponseTooLarge if the caller takes less, or less
// was announced; why the stream has ended.
func (s *ServedStream) Write(from []byte) (written int, err error) {
	s.writing.Lock()
	defer s.writing.Unlock()
	for len(from) > 0 {
		n, err := s.writeSome(from)
		written += n
		if err != nil {
			return written, err
		}
		from = from[n:]
	}
	return written, nil
}

// writeSome fills one piece as far as there are bytes. The copy is made with the mutex: a piece that is being filled has
// one writer and nobody who waits for it.
func (s *ServedStream) writeSome(from []byte) (n int, err error) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if whole := s.given + uint64(s.filled) + uint64(len(from)); whole > s.opening.responseLimit || whole > s.announced {
		return 0, s.tooLarge(whole)
	}
	defer func() { s.writer = directCopy{} }()
	for s.writer.busy || s.writer.n == 0 && !s.ended && s.piece == nil && len(s.wishes) == 0 {
		s.writer.bytes = from
		s.changed.Wait()
	}
	if s.writer.n > 0 {
		return s.writer.n, nil
	}
	if s.ended {
		return 0, s.reason()
	}
	if s.piece == nil {
		s.piece, s.wishes = s.wishes[0], s.wishes[1:]
	}
	room := s.piece.Response()[streamPiece:]
	lost := s.attachment.region.guarded(func() error { n = copy(room[s.filled:], from); return nil })
	s.attachment.fail(lost)
	s.filled += n
	if s.filled == len(room) {
		s.givePiece(0)
	}
	return n, lost
}

// Flush gives the caller what was written so far. Reading does the same before it waits.
func (s *ServedStream) Flush() {
	s.mutex.Lock()
	s.flushLocked()
	s.mutex.Unlock()
}

func (s *ServedStream) flushLocked() {
	if s.piece != nil && s.filled > 0 {
		s.givePiece(0)
	}
}

// givePiece answers with the piece that was filled. With the mutex.
func (s *ServedStream) givePiece(flags uint32) {
	piece, size, offset := s.piece, s.filled, s.given
	s.piece, s.filled = nil, 0
	s.given += uint64(size)
	s.respond(piece, func(response []byte) int { return putPiece(response, size, flags, offset, s.announced) })
}

// endResponse gives what is left, with LAST, as far as the caller has asked. With the mutex.
func (s *ServedStream) endResponse() {
	if s.piece != nil {
		s.givePiece(streamLast)
	}
	for _, wish := range s.wishes {
		s.piece = wish
		s.givePiece(streamLast)
	}
	s.wishes = nil
	s.changed.Broadcast()
}

// ---- The end ----

// serveEnd is the caller's farewell.
func (s *ServedStream) serveEnd(request *Request, response []byte) int {
	reason, text := uint32(streamFinished), ""
	if len(request.Data) >= streamEndText {
		reason = binary.LittleEndian.Uint32(request.Data[8:])
		text = string(request.Data[streamEndText:])
	}
	if reason == streamFinished {
		s.stop(streamUnknownStream, "the stream has ended", io.ErrClosedPipe)
	} else {
		s.stop(streamHandlerFailed, "the caller aborted the stream", &failure{ErrStreamAborted, text, nil})
	}
	return putStreamAnswer(response, streamOk, 0, 0)
}
