// SPDX-License-Identifier: Apache-2.0

package shm

import (
	"errors"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/xll-gen/shm/go/internal/cpu"
)

// What a worker does, as far as others must know it.
const (
	phaseWaiting  = iota // waits, or is between two exchanges; will notice the stop flag if it is roused
	phaseHandling        // is inside the handler
	phaseOwing           // serves no more, but waits for answers that are to come later
	phaseLeft            // uses the region no more
)

// worker serves its slots with one goroutine at a time.
type worker struct {
	_          [lineSize]byte // no two workers share a line
	current    incoming       // the exchange in the handler
	group      *group
	client     *Client
	attachment *attachment
	phase      uint32         // atomic
	owed       sync.WaitGroup // answers that are to come later
	failure    string         // what to tell the caller of the current exchange, whose handler did not return
	_          [lineSize]byte
}

// errHandlerPanicked tells that the current exchange is to be answered with the failure.
var errHandlerPanicked = errors.New("shm: a handler panicked")

// run is the worker's goroutine.
func (w *worker) run() {
	defer w.ended()
	region := w.attachment.region
	err := region.guarded(w.serve)
	for err == errHandlerPanicked {
		if err = region.guarded(w.answerFailure); err == nil {
			err = region.guarded(w.serve)
		}
	}
	atomic.StoreUint32(&w.phase, phaseWaiting) // also if the region was lost in the handler
	if !isOrdinary(err) {
		w.attachment.fail(err)
	}
}

// ended runs when the goroutine ends: because its work is done, or inside a handler that called
// runtime.Goexit. That request is answered, and a fresh goroutine carries on.
func (w *worker) ended() {
	if atomic.LoadUint32(&w.phase) == phaseHandling {
		w.failure = goexitText
		err := w.attachment.region.guarded(w.answerFailure)
		if err == nil {
			go w.run()
			return
		}
		w.attachment.fail(err)
	}
	w.awaitAnswers()
	w.attachment.fail(w.attachment.region.guarded(w.group.leave))
	w.attachment.left(w)
}

// serve answers requests until there is a reason to leave, or a handler panics: one guard for all of them, since a
// guard for each would cost each.
func (w *worker) serve() (err error) {
	defer func() {
		if atomic.LoadUint32(&w.phase) == phaseHandling {
			err = w.panicked(recover())
		}
	}()
	for {
		role, err := w.group.await()
		if err != nil {
			return err
		}
		if role.begin(&w.current) {
			w.exchange(role)
		}
	}
}

// panicked takes note of a handler that panicked, or that called runtime.Goexit: that goes on.
func (w *worker) panicked(value interface{}) error {
	if _, is := value.(fault); is {
		panic(value) // the region's guard knows whether it was the region's
	}
	w.failure = panicText(value)
	return errHandlerPanicked
}

func (w *worker) answerFailure() error {
	role := w.group.serving()
	if role.request.engaged {
		w.conclude(role, 0, errors.New(w.failure))
		return nil
	}
	status, size := failed(role.slot.response, w.failure)
	atomic.StoreUint32(&w.phase, phaseWaiting)
	role.answer(&w.current, status, w.current.messageID, size)
	role.countHandled(w.current.size)
	return nil
}

// exchange answers one request that was begun: by the library or by the handler (spec, sections 5, 8).
func (w *worker) exchange(role *responder) {
	in := &w.current
	id := in.messageID
	switch {
	case !in.wellFormed():
		role.answer(in, answerBadRequest, id, 0)
	case id == MessageNormal || id >= MessageFirstUser:
		w.handle(role, w.client.currentHandler())
	case id >= messageStreamOpen && id <= messageStreamEnd && w.client.streams.takesStreams(role.slot):
		w.handle(role, w.client.streams.serve)
		// The stream's handler, in a goroutine of its own, may have something to do now: it first, before this
		// goroutine waits for what comes next on the same processor.
		runtime.Gosched()
	case id == MessageHeartbeatRequest:
		role.answer(in, answerOK, MessageHeartbeatResponse, 0)
	case id == MessageShutdown:
		role.answer(in, answerOK, MessageShutdown, 0)
		w.attachment.end(errStopped)
	default:
		role.answer(in, answerUnknownMessage, id, 0)
	}
}

func (w *worker) handle(role *responder, handler MessageHandler) {
	in, request, response := &w.current, &role.request, role.slot.response
	if handler == nil {
		role.answer(in, answerUnknownMessage, in.messageID, 0)
		return
	}
	request.Data = role.payload(in)
	request.MessageID = in.messageID
	request.TransportID = in.transportID
	request.atEnd = false
	// Release suffices for the phase. Who sets the stop flag looks at it again and again; and the answer's
	// exchange makes the second store visible before this worker looks at the stop flag.
	cpu.StoreRelease(&w.phase, phaseHandling)
	sampled, began := isSampled(generationOf(role.seen)), uint64(0)
	if sampled {
		began = role.sampleStart()
	}
	n, err := handler(request, response)
	if sampled && request.later == nil {
		role.sampleEnd(began)
	}
	if request.engaged {
		w.conclude(role, n, err)
		return
	}
	status, size := uint32(answerOK), uint32(n)
	if err != nil || uint(n) > uint(len(response)) {
		status, size = outcome(n, err, response)
	} else if request.atEnd {
		in.responseFlags = flagAtEnd
	}
	cpu.StoreRelease(&w.phase, phaseWaiting)
	role.answer(in, status, in.messageID, size)
	role.countHandled(in.size)
}
