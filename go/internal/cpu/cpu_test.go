// SPDX-License-Identifier: Apache-2.0

package cpu

import (
	"sync/atomic"
	"testing"
)

func TestStoreReleaseStoresThatWordOnly(t *testing.T) {
	words := [3]uint32{1, 2, 3}
	StoreRelease(&words[1], 0xFFFFFFFF)
	if words != [3]uint32{1, 0xFFFFFFFF, 3} {
		t.Errorf("the words are %#x", words)
	}
}

// Who sees the flag sees what was stored before it.
func TestStoreReleasePublishes(t *testing.T) {
	const turns = 100000
	var payload, flag uint32
	done := make(chan struct{})
	go func() {
		defer close(done)
		for turn := uint32(1); turn <= turns; turn++ {
			StoreRelease(&payload, turn)
			StoreRelease(&flag, turn)
		}
	}()
	for seen := uint32(0); seen < turns; {
		seen = atomic.LoadUint32(&flag)
		if got := atomic.LoadUint32(&payload); got < seen {
			t.Fatalf("the flag says %d, the payload is %d", seen, got)
		}
		Pause()
	}
	<-done
}
