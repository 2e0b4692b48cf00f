// SPDX-License-Identifier: Apache-2.0

package cpu

// StoreRelease stores so that whoever reads the value by an atomic load sees what was stored before it.
// Unlike sync/atomic's stores it does not hold up the loads after it until it is visible to all, so
// that it costs next to nothing; for a word whose readers can wait a moment.
func StoreRelease(word *uint32, value uint32)
