// SPDX-License-Identifier: Apache-2.0

//go:build !amd64 || race

package cpu

import "sync/atomic"

// StoreRelease stores so that whoever reads the value by an atomic load sees what was stored before it.
// Here it is sync/atomic's store.
func StoreRelease(word *uint32, value uint32) { atomic.StoreUint32(word, value) }

// Count adds to a counter that only the caller changes and others may read by an atomic load.
func Count(counter *uint64, n uint64) { atomic.StoreUint64(counter, atomic.LoadUint64(counter)+n) }

// SetCounter stores into such a counter.
func SetCounter(counter *uint64, value uint64) { atomic.StoreUint64(counter, value) }
