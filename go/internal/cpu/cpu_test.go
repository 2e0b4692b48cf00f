// SPDX-License-Identifier: Apache-2.0

package cpu

import (
	"runtime"
	"sync/atomic"
	"testing"
	"unsafe"
)

func TestStoreReleaseStoresThatWordOnly(t *testing.T) {
	words := [3]uint32{1, 2, 3}
	StoreRelease(&words[1], 0xFFFFFFFF)
	if words != [3]uint32{1, 0xFFFFFFFF, 3} {
		t.Errorf("the words are %#x", words)
	}
}

func TestSpinCountsLooksInVain(t *testing.T) {
	word := uint32(7)
	for _, polls := range []uint32{1, 2, 100} {
		if left := Spin(&word, 7, polls); left != 0 {
			t.Errorf("%d of %d polls are left of looks in vain", left, polls)
		}
		if left := Spin(&word, 8, polls); left != polls {
			t.Errorf("%d of %d polls are left after the first look", left, polls)
		}
	}
}

func TestSpinSeesAChange(t *testing.T) {
	var word uint32
	go func() { atomic.StoreUint32(&word, 1) }()
	for Spin(&word, 0, 64) == 0 {
		runtime.Gosched()
	}
	if atomic.LoadUint32(&word) != 1 {
		t.Error("the word did not change")
	}
}

func TestCopySmallCopiesThatMuchAndNoMore(t *testing.T) {
	const limit = 48
	var from [limit]byte
	for i := range from {
		from[i] = byte(i + 1)
	}
	for size := 0; size <= limit; size++ {
		var to [limit + 2]byte
		CopySmall(unsafe.Pointer(&to[1]), unsafe.Pointer(&from[0]), uint32(size))
		for i, got := range to {
			want := byte(i)
			if i > size {
				want = 0
			}
			if got != want {
				t.Fatalf("%d bytes: byte %d is %d", size, i-1, got)
			}
		}
	}
}

// Nothing to see but that it harms nothing, also beyond the end of what is there.
func TestPrefetchTouchesNothing(t *testing.T) {
	var line [64]byte
	for _, size := range []uint32{0, 1, 64, 65, 512} {
		Prefetch(unsafe.Pointer(&line[0]), size)
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
		Spin(&flag, seen, 1)
	}
	<-done
}
