// SPDX-License-Identifier: Apache-2.0

package bare

import (
	"runtime"
	"sync/atomic"
)

// end is what host and guest have in common.
type end struct {
	region []byte
	lanes  lanes
	alive  func() bool // is the peer still there? Asked now and then while waiting; may be nil
	turn   uint32      // of the last response; equal on both sides between two exchanges
	window uint32
}

func nextTurn(turn uint32) uint32 { return (turn + 1) & turnMask }

// peerThere is called after many vain looks: it lets others run, and says whether waiting still
// makes sense.
func (e *end) peerThere() bool {
	runtime.Gosched()
	yieldProcessor()
	return e.alive == nil || e.alive()
}

type outcome int

const (
	arrived outcome = iota
	closed
	lost
)

// await spins until the word holds wanted or closes the window. The load acquires: the payload
// written before the word is visible after it.
func (e *end) await(state *uint32, wanted uint32) outcome {
	for looks := uint32(1); ; looks++ {
		seen := atomic.LoadUint32(state)
		if seen == wanted {
			return arrived
		}
		if seen&closeFlag != 0 {
			return closed
		}
		// One pause between two looks: without it the reader takes the line from the writer.
		Pause()
		if looks&0xffff == 0 && !e.peerThere() {
			return lost
		}
	}
}

func (e *end) control(offset int) *uint32 { return word(e.region, offset) }
