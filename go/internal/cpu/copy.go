// SPDX-License-Identifier: Apache-2.0

package cpu

import "unsafe"

type (
	word4  [4]byte
	word8  [8]byte
	word16 [16]byte
)

// CopySmall copies at most 48 bytes, for less than a call of copy costs. The two places do not overlap.
func CopySmall(to, from unsafe.Pointer, size uint32) {
	// Two words that meet or overlap cover every size from one word's to two words'.
	last := uintptr(size)
	switch {
	case size > 16:
		*(*word16)(to) = *(*word16)(from)
		if size > 32 {
			*(*word16)(unsafe.Add(to, 16)) = *(*word16)(unsafe.Add(from, 16))
		}
		*(*word16)(unsafe.Add(to, last-16)) = *(*word16)(unsafe.Add(from, last-16))
	case size >= 8:
		*(*word8)(to) = *(*word8)(from)
		*(*word8)(unsafe.Add(to, last-8)) = *(*word8)(unsafe.Add(from, last-8))
	case size >= 4:
		*(*word4)(to) = *(*word4)(from)
		*(*word4)(unsafe.Add(to, last-4)) = *(*word4)(unsafe.Add(from, last-4))
	default:
		for i := uintptr(0); i < last; i++ {
			*(*byte)(unsafe.Add(to, i)) = *(*byte)(unsafe.Add(from, i))
		}
	}
}
