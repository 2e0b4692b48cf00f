// SPDX-License-Identifier: Apache-2.0

//go:build !amd64 && !arm64

package cpu

import (
	"sync/atomic"
	"unsafe"
)

// Spin looks at a word until it is not value any more (acquire) or that many polls were in vain. It returns how
// many are left: 0 if all were in vain.
func Spin(word *uint32, value uint32, polls uint32) (left uint32) {
	for polls > 0 && atomic.LoadUint32(word) == value {
		polls-- // without a pause: this processor has no hint that Go's assembler knows
	}
	return polls
}

// Prefetch does nothing: Go has no such instruction for this processor.
func Prefetch(address unsafe.Pointer, size uint32) {}
