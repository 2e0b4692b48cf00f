// SPDX-License-Identifier: Apache-2.0

package shm

// directCopy is what a handler that waits in Read or Write leaves to the worker: the piece that comes next is copied by
// the worker, at once, and its slot is the caller's again. To wake the handler first would take longer than the copy.
// With the stream's mutex.
type directCopy struct {
	bytes []byte // of the waiting reader or writer
	busy  bool   // the worker copies, without the mutex
	n     int    // bytes that it has copied
}

// waits tells whether so many bytes can be copied for somebody who waits.
func (h *directCopy) waits(size int) bool {
	return h.n == 0 && !h.busy && size > 0 && size <= len(h.bytes)
}

// copy is done without the mutex: pieces may come meanwhile, through other workers.
func (s *ServedStream) copy(h *directCopy, to, from []byte) {
	h.busy = true
	s.mutex.Unlock()
	n := 0
	err := s.attachment.region.guarded(func() error { n = copy(to, from); return nil })
	s.attachment.fail(err)
	s.mutex.Lock()
	h.busy, h.n = false, n
	s.changed.Broadcast()
}

// handToReader gives the piece that the reader waits for, and answers it.
func (s *ServedStream) handToReader(piece, response []byte) int {
	s.taken += uint64(len(piece))
	s.copy(&s.reader, s.reader.bytes, piece)
	if s.ended {
		return s.answerOfTheEnd(response, streamEnough, s.taken)
	}
	return putStreamAnswer(response, streamOk, 0, s.taken)
}

// takeFromWriter answers with a whole piece of what the writer waits to write.
func (s *ServedStream) takeFromWriter(response []byte) int {
	room, offset := response[streamPiece:], s.given
	s.given += uint64(len(room))
	s.copy(&s.writer, room, s.writer.bytes)
	if s.ended && s.outcome != streamOk {
		return refuseStream(response, s.outcome, s.text)
	}
	return putPiece(response, len(room), 0, offset, s.announced)
}
