// SPDX-License-Identifier: Apache-2.0

//go:build !cgo || windows

package semaphore

import "time"

// Semaphore cannot be had without cgo.
type Semaphore struct{}

// Open fails with ErrNoCgo.
func Open(string) (*Semaphore, error) { return nil, ErrNoCgo }

// Wait fails with ErrNoCgo.
func (*Semaphore) Wait() error { return ErrNoCgo }

// WaitFor fails with ErrNoCgo.
func (*Semaphore) WaitFor(time.Duration) error { return ErrNoCgo }

// Post does nothing.
func (*Semaphore) Post() {}

// Close does nothing.
func (*Semaphore) Close() {}
