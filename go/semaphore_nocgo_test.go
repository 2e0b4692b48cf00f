// SPDX-License-Identifier: Apache-2.0

//go:build !cgo && linux

package shm

import "testing"

func TestSemaphoresNeedCgo(t *testing.T) {
	bounded(t)
	h := newHost(t, 1, 64)
	h.header.eventBackend = backendSemaphore
	expectRefusal(t, h.name, ErrBackendUnsupported, "semaphores", "CGO_ENABLED=1", h.name)
}
