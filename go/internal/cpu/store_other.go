// SPDX-License-Identifier: Apache-2.0

//go:build !amd64 || race

package cpu

import "sync/atomic"

// StoreRelease stores so that whoever reads the value by an atomic load sees what was stored before it.
// Here it is sync/atomic's store.
func StoreRelease(word *uint32, value uint32) { atomic.StoreUint32(word, value) }
