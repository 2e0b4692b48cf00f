// SPDX-License-Identifier: Apache-2.0

//go:build !race

package cpu

// StoreRelease stores so that whoever reads the value by an atomic load sees what was stored before it.
// Unlike sync/atomic's stores it does not hold up the loads after it until it is visible to all, so
// that it costs next to nothing; for a word whose readers can wait a moment.
//
// On this processor a plain store is never seen before an earlier one, and the compiler moves no store across
// another. The race detector, which would take it for what it is in Go, gets another function.
func StoreRelease(word *uint32, value uint32) { *word = value }

// Count adds to a counter that only the caller changes and others may read by an atomic load. It orders nothing.
//
//go:norace
func Count(counter *uint64, n uint64) { *counter += n }

// SetCounter stores into such a counter.
//
//go:norace
func SetCounter(counter *uint64, value uint64) { *counter = value }
