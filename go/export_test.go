// SPDX-License-Identifier: Apache-2.0

package shm

import "testing"

// ExampleHost is the tests' miniature host, for the examples.
type ExampleHost struct {
	testing.TB // nil; what newHost needs of it is below
	host       *host
	cleanups   []func()
}

// NewExampleHost creates a region of one slot.
func NewExampleHost() *ExampleHost {
	e := &ExampleHost{}
	e.host = newHost(e, 1, 128)
	return e
}

// Name is the region's name.
func (e *ExampleHost) Name() string { return e.host.name }

// Call calls the guest.
func (e *ExampleHost) Call(messageID uint32, payload string) string {
	got, err := e.host.callers[0].call(messageID, []byte(payload))
	if err != nil {
		panic(err)
	}
	return got.String()
}

// Close removes the region.
func (e *ExampleHost) Close() {
	for last := len(e.cleanups) - 1; last >= 0; last-- {
		e.cleanups[last]()
	}
}

// Helper is testing.TB's.
func (e *ExampleHost) Helper() {}

// Cleanup is testing.TB's.
func (e *ExampleHost) Cleanup(f func()) { e.cleanups = append(e.cleanups, f) }

// Error is testing.TB's.
func (e *ExampleHost) Error(values ...interface{}) { panic(values) }

// Fatal is testing.TB's.
func (e *ExampleHost) Fatal(values ...interface{}) { panic(values) }
