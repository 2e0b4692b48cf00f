// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/binary"
	"errors"
	"sync/atomic"
	"unsafe"
)

// What the two processes share for bare windows, as ../../streaming/windows.h lays it down.
const (
	windowsBuffers = 4
	windowsPiece   = 1 << 20
	windowsPage    = 4096
	windowsBytes   = windowsPage + windowsBuffers*windowsPiece
	askedSize      = 24
)

// windows is the guest's end of bare windows: a pipeline of copies through shared buffers.
type windows []byte

func (w windows) word(offset int) *uint32 { return (*uint32)(unsafe.Pointer(&w[offset])) }

// serve takes part in one window. It runs in the handler that was asked for it: nothing else runs in the guest.
func (w windows) serve(asked []byte, own *message) error {
	if len(asked) != askedSize {
		return errors.New("that does not ask for a bare window")
	}
	total := binary.LittleEndian.Uint64(asked)
	piece, buffers := binary.LittleEndian.Uint32(asked[8:]), int(binary.LittleEndian.Uint32(asked[12:]))
	gives := binary.LittleEndian.Uint32(asked[16:]) != 0
	if buffers < 1 || buffers > windowsBuffers || piece < 1 || piece > windowsPiece {
		return errors.New("that bare window has other buffers than there are")
	}
	wanted, left := uint32(1), uint32(0)
	if gives {
		wanted, left = 0, 1
	}
	atomic.AddUint32(w.word(0), 1)
	for at := 0; total > 0; at = (at + 1) % buffers {
		if total < uint64(piece) {
			piece = uint32(total)
		}
		bytes, buffer, full := own.next(int(piece)), w[windowsPage+at*windowsPiece:], w.word(64+64*at)
		for atomic.LoadUint32(full) != wanted {
		}
		if gives {
			copy(buffer, bytes)
		} else {
			copy(bytes, buffer)
		}
		atomic.StoreUint32(full, left)
		total -= uint64(piece)
	}
	return nil
}

// message is larger than the memory behind it: the bytes come round.
type message struct {
	bytes []byte
	at    int
}

// newMessage has more memory than the caches of most machines hold, all of it touched.
func newMessage() *message {
	m := &message{bytes: make([]byte, 64<<20)}
	for i := range m.bytes {
		m.bytes[i] = 3
	}
	return m
}

// next is where the next bytes stand, so many in one piece.
func (m *message) next(size int) []byte {
	if len(m.bytes)-m.at < size {
		m.at = 0
	}
	bytes := m.bytes[m.at : m.at+size]
	m.at += size
	return bytes
}
