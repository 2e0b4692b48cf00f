// SPDX-License-Identifier: Apache-2.0

package shm

import (
	"sync/atomic"

	"github.com/xll-gen/shm/go/internal/cpu"
)

// What a worker does, as far as others must know it.
const (
	phaseWaiting  = iota // waits, or is between two exchanges; will notice the stop flag if it is roused
	phaseHandling        // is inside the handler
	phaseLeft            // uses the region no more
)

// worker serves one slot with one goroutine at a time.
type worker struct {
	attachment *attachment
	role       *responder
	request    Request  // handed to the handler; here so that no request allocates
	current    incoming // the exchange in the handler
	phase      uint32   // atomic
}

// run is the worker's goroutine.
func (w *worker) run() {
	defer w.ended()
	err := w.attachment.region.guarded(w.serve)
	atomic.StoreUint32(&w.phase, phaseWaiting) // also if the region was lost in the handler
	if !isOrdinary(err) {
		w.attachment.fail(err)
	}
}

// ended runs when the goroutine ends: because its work is done, or inside a handler that called
// runtime.Goexit. That request is answered, and a fresh goroutine carries on.
func (w *worker) ended() {
	if atomic.LoadUint32(&w.phase) == phaseHandling {
		atomic.StoreUint32(&w.phase, phaseWaiting)
		err := w.attachment.region.guarded(w.answerGoexit)
		if err == nil {
			go w.run()
			return
		}
		w.attachment.fail(err)
	}
	w.attachment.fail(w.attachment.region.guarded(w.role.leave))
	w.attachment.left(w)
}

func (w *worker) answerGoexit() error {
	status, size := failed(w.role.slot.response, goexitText)
	w.role.answer(&w.current, status, w.current.messageID, size)
	return nil
}

// serve answers requests until there is a reason to leave.
func (w *worker) serve() error {
	for {
		if err := w.role.next(); err != nil {
			return err
		}
		in, stands := w.role.begin()
		if stands {
			w.exchange(&in)
		}
	}
}

// exchange answers one request that was begun: by the library or by the handler (spec, sections 5, 8).
func (w *worker) exchange(in *incoming) {
	role := w.role
	id := in.messageID
	switch {
	case !in.wellFormed():
		role.answer(in, answerBadRequest, id, 0)
	case id == MessageNormal || id >= MessageFirstUser:
		w.handle(in)
	case id == MessageHeartbeatRequest:
		role.answer(in, answerOK, MessageHeartbeatResponse, 0)
	case id == MessageShutdown:
		role.answer(in, answerOK, MessageShutdown, 0)
		w.attachment.end(errStopped)
	default:
		role.answer(in, answerUnknownMessage, id, 0)
	}
}

func (w *worker) handle(in *incoming) {
	handler := w.attachment.client.currentHandler()
	if handler == nil {
		w.role.answer(in, answerUnknownMessage, in.messageID, 0)
		return
	}
	slot := w.role.slot
	w.current = *in
	w.request = Request{
		Data:        w.role.payload(in),
		MessageID:   in.messageID,
		Slot:        slot.index,
		TransportID: in.transportID,
		annex:       slot.annex,
	}
	// Release suffices for the phase. Who sets the stop flag looks at it again and again; and the answer's
	// exchange makes the second store visible before this worker looks at the stop flag.
	cpu.StoreRelease(&w.phase, phaseHandling)
	status, size := handler.run(&w.request, slot.response)
	cpu.StoreRelease(&w.phase, phaseWaiting)
	w.role.answer(in, status, in.messageID, size)
}
