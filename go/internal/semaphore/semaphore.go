// SPDX-License-Identifier: Apache-2.0

// Package semaphore uses POSIX named semaphores. Only the C library knows their form in memory,
// so that it needs cgo; a build without cgo has the same functions, and Open fails.
package semaphore

import "errors"

// ErrNoCgo tells that this program was built without cgo.
var ErrNoCgo = errors.New("POSIX semaphores need cgo, and this program was built without it")
