// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// TEMPORARY, until experiments/pingpong has a Go package.

const (
	bareMax         = 1 << 20
	bareBlock       = bareMax + 4096 + 17*64
	bareFirst       = 4096
	bareSecond      = bareFirst + bareBlock
	bareFarReq      = bareSecond + bareBlock
	bareFarResp     = bareFarReq + bareBlock
	bareRegionBytes = (bareFarResp + bareBlock + 4095) / 4096 * 4096
)

func pause()

func serveBareWindows(region []byte) error {
	word := func(at int) *uint32 { return (*uint32)(unsafe.Pointer(&region[at])) }
	window, guest, asleep, finished := word(12), word(64), word(68), word(72)
	if *word(0) != 0x45524142 || !atomic.CompareAndSwapUint32(guest, 0, uint32(unix.Getpid())) {
		return errors.New("no bare region")
	}
	in, out := make([]byte, bareMax), make([]byte, bareMax)
	var turn, last uint32
	for {
		for atomic.LoadUint32(window) == last {
			atomic.StoreUint32(asleep, 1)
			if atomic.LoadUint32(window) == last {
				unix.Syscall6(unix.SYS_FUTEX, uintptr(unsafe.Pointer(window)), 0, uintptr(last), 0, 0, 0)
			}
			atomic.StoreUint32(asleep, 0)
		}
		last = atomic.LoadUint32(window)
		if last == 0xffffffff {
			return nil
		}
		layout, size, inPlace := *word(16), int(*word(20)), *word(24) != 0
		first, second, payload := bareFirst, bareSecond, 8
		req, resp := 0, 0
		switch layout {
		case 0:
			second = bareFirst
		case 2:
			payload = 64
		case 3:
			second = bareFirst + 64
		}
		req, resp = first+payload, second+payload
		if layout == 3 {
			req, resp = bareFarReq, bareFarResp
		}
		turn = serveWindow(word(first), word(second), region[req:req+size], region[resp:resp+size], in[:size], out[:size], inPlace, turn)
		atomic.StoreUint32(finished, last)
	}
}

func serveWindow(rw, sw *uint32, req, resp, in, out []byte, inPlace bool, turn uint32) uint32 {
	handler := copyHandler
	for {
		want := (turn + 1) & 0x7fffffff
		for {
			seen := atomic.LoadUint32(rw)
			if seen == want {
				break
			}
			if seen&0x80000000 != 0 {
				return turn
			}
			pause()
		}
		turn = (want + 1) & 0x7fffffff
		if inPlace {
			handler(req, resp)
		} else {
			copy(in, req)
			handler(in, out)
			copy(resp, out)
		}
		*(*uint32)(unsafe.Pointer(sw)) = turn
	}
}
