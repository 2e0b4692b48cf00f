// SPDX-License-Identifier: Apache-2.0

//go:build amd64 || arm64

package cpu

import "unsafe"

// Spin looks at a word until it is not value any more (acquire) or that many looks, one at the least, were in
// vain. It returns how many are left: 0 if all were in vain. After each look it rests the processor a moment: the
// peer's store then costs no pipeline flush, and a sibling hardware thread gets the execution units meanwhile. The
// scheduler cannot interrupt it, so that who wants many looks makes several calls.
//
//go:noescape
func Spin(word *uint32, value uint32, polls uint32) (left uint32)

// Prefetch asks for the lines of that many bytes, one at the least, and does not wait for them. They need not be
// there.
//
//go:noescape
func Prefetch(address unsafe.Pointer, size uint32)
