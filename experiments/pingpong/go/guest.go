// SPDX-License-Identifier: Apache-2.0

package bare

import (
	"errors"
	"os"
	"sync/atomic"
)

// Handler writes the response to a request; both have the window's size.
type Handler func(request, response []byte)

// Guest serves windows. It belongs to one goroutine.
type Guest struct {
	end
	handler  Handler
	request  []byte
	response []byte
}

// ErrRegion: no bare region of this version stands there, or another guest is attached.
var ErrRegion = errors.New("bare: the region has another version or a guest already")

// ErrHostLost: the host is gone, or it wrote a window that makes no sense.
var ErrHostLost = errors.New("bare: the host is gone")

// NewGuest attaches to a region that NewHost or bare_host_init has prepared.
func NewGuest(region []byte, handler Handler, alive func() bool) (*Guest, error) {
	g := &Guest{
		end:      end{region: region, alive: alive},
		handler:  handler,
		request:  make([]byte, MaxSize),
		response: make([]byte, MaxSize),
	}
	// Touched before the first window: no page fault inside one.
	for i := range g.request {
		g.request[i], g.response[i] = 1, 1
	}
	if atomic.LoadUint32(g.control(magicOffset)) != magic ||
		atomic.LoadUint32(g.control(versionOffset)) != version ||
		!atomic.CompareAndSwapUint32(g.control(guestPidOffset), 0, uint32(os.Getpid())) {
		return nil, ErrRegion
	}
	futexWake(g.control(guestPidOffset))
	return g, nil
}

// HostPid is the host's process id.
func HostPid(region []byte) int { return int(atomic.LoadUint32(word(region, hostPidOffset))) }

func (g *Guest) awaitWindow() uint32 {
	state := g.control(windowOffset)
	for {
		window := atomic.LoadUint32(state)
		if window != g.window {
			return window
		}
		// Sequentially consistent with the host's window: see announce.
		atomic.StoreUint32(g.control(asleepOffset), 1)
		if atomic.LoadUint32(state) == window {
			futexWait(state, window, 0)
		}
		atomic.StoreUint32(g.control(asleepOffset), 0)
	}
}

// ServeWindow sleeps until the next window and serves it to its end. It returns false when the host
// has quit.
func (g *Guest) ServeWindow() (bool, error) {
	window := g.awaitWindow()
	if window == windowQuit {
		return false, nil
	}
	layout := Layout(atomic.LoadUint32(g.control(layoutOffset)))
	size := atomic.LoadUint32(g.control(sizeOffset))
	inPlace := atomic.LoadUint32(g.control(inPlaceOffset)) != 0
	if layout >= Layouts || size > MaxSize {
		return false, ErrHostLost
	}
	g.window = window
	g.lanes = lanesOf(g.region, layout, size)
	served := g.serve(inPlace)
	atomic.StoreUint32(g.control(finishedOffset), window)
	if !served {
		return false, ErrHostLost
	}
	return true, nil
}

// serve returns false when the host is gone.
func (g *Guest) serve(inPlace bool) bool {
	to := g.lanes
	size := len(to.request)
	request, response := g.request[:size], g.response[:size]
	for {
		turn := nextTurn(g.turn)
		if outcome := g.await(to.requestWord, turn); outcome != arrived {
			return outcome == closed
		}
		g.turn = nextTurn(turn)
		if inPlace {
			g.handler(to.request, to.response)
		} else {
			copy(request, to.request)
			g.handler(request, response)
			copy(to.response, response)
		}
		atomic.StoreUint32(to.responseWord, g.turn)
	}
}
