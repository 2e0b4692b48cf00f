// SPDX-License-Identifier: Apache-2.0

// Package bare is the bare limit in Go: two processes exchange a request and a response through
// shared memory with one word and one payload for each direction and nothing else. It speaks to
// the C side in bare.h through the same region.
//
// It is made to be interleaved with another measurement in the same two processes. The host opens
// a window, does any number of calls, closes it; the guest's goroutine sleeps on a futex between
// windows.
package bare
