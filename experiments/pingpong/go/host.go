// SPDX-License-Identifier: Apache-2.0

package bare

import (
	"fmt"
	"os"
	"sync/atomic"
	"time"
)

// Host opens windows and calls. It belongs to one goroutine.
type Host struct{ end }

// NewHost starts a host on a zeroed region. alive tells whether the guest is still there; with nil
// a host waits for ever.
func NewHost(region []byte, alive func() bool) *Host {
	h := &Host{end{region: region, alive: alive}}
	atomic.StoreUint32(h.control(versionOffset), version)
	atomic.StoreUint32(h.control(hostPidOffset), uint32(os.Getpid()))
	// Last: a guest that sees it sees the rest.
	atomic.StoreUint32(h.control(magicOffset), magic)
	return h
}

// AwaitGuest waits until a guest is there and returns its process id; false after the timeout.
func (h *Host) AwaitGuest(timeout time.Duration) (int, bool) {
	until := time.Now().Add(timeout)
	guest := h.control(guestPidOffset)
	for atomic.LoadUint32(guest) == 0 {
		left := time.Until(until)
		if left <= 0 {
			return 0, false
		}
		futexWait(guest, 0, left)
	}
	return int(atomic.LoadUint32(guest)), true
}

func (h *Host) announce(window uint32) {
	// Sequentially consistent with the guest's asleep: one of the two sees the other's write.
	atomic.StoreUint32(h.control(windowOffset), window)
	if atomic.LoadUint32(h.control(asleepOffset)) != 0 {
		futexWake(h.control(windowOffset))
	}
}

// Open opens a window: the guest wakes and serves until Close. The first exchanges include the
// wake; do some before measuring. With inPlace the guest's handler reads and writes the region.
func (h *Host) Open(layout Layout, size uint32, inPlace bool) error {
	if layout >= Layouts || size > MaxSize || (inPlace && layout == OneLine) {
		return fmt.Errorf("bare: no window for layout %d, %d bytes, in place %v", layout, size, inPlace)
	}
	for atomic.LoadUint32(h.control(finishedOffset)) != h.window {
		if !h.peerThere() {
			return fmt.Errorf("bare: the guest is gone")
		}
	}
	h.lanes = lanesOf(h.region, layout, size)
	atomic.StoreUint32(h.lanes.requestWord, h.turn)
	atomic.StoreUint32(h.lanes.responseWord, h.turn)
	atomic.StoreUint32(h.control(layoutOffset), uint32(layout))
	atomic.StoreUint32(h.control(sizeOffset), size)
	var flag uint32
	if inPlace {
		flag = 1
	}
	atomic.StoreUint32(h.control(inPlaceOffset), flag)
	h.window++
	if h.window == windowQuit {
		h.window = 1
	}
	h.announce(h.window)
	return nil
}

// Exchange lets the guest answer what stands in the buffers; false: the guest is gone.
func (h *Host) Exchange() bool {
	request := nextTurn(h.turn)
	h.turn = nextTurn(request)
	// Go has no plain release store: this one is sequentially consistent.
	atomic.StoreUint32(h.lanes.requestWord, request)
	return h.await(h.lanes.responseWord, h.turn) == arrived
}

// Call is one exchange, copied in and out; false: the guest is gone. Both slices have the window's
// size.
func (h *Host) Call(request, response []byte) bool {
	copy(h.lanes.request, request)
	if !h.Exchange() {
		return false
	}
	copy(response, h.lanes.response)
	return true
}

// Close ends the window; the guest goes back to sleep.
func (h *Host) Close() { atomic.StoreUint32(h.lanes.requestWord, closeFlag|h.turn) }

// Quit ends the guest's loop; between windows only.
func (h *Host) Quit() { h.announce(windowQuit) }
