// SPDX-License-Identifier: Apache-2.0

//go:build cgo && !windows

package semaphore

/*
#cgo LDFLAGS: -pthread
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <semaphore.h>
#include <stdlib.h>
#include <time.h>

// sem_open takes a variable number of arguments, which cgo cannot call. Never creates.
static sem_t *open_existing(const char *name) {
	sem_t *opened = sem_open(name, 0);
	return opened == SEM_FAILED ? NULL : opened;
}

static int wait_for(sem_t *semaphore, long long ns) {
	struct timespec until;
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += ns / 1000000000;
	until.tv_nsec += ns % 1000000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_nsec -= 1000000000;
		until.tv_sec++;
	}
	return sem_clockwait(semaphore, CLOCK_MONOTONIC, &until);
}
*/
import "C"

import (
	"syscall"
	"time"
	"unsafe"
)

// Semaphore is an open named semaphore.
type Semaphore struct{ handle *C.sem_t }

// Open opens a semaphore that its creator made; the name begins with a slash.
func Open(name string) (*Semaphore, error) {
	text := C.CString(name)
	defer C.free(unsafe.Pointer(text))
	handle, err := C.open_existing(text)
	if handle == nil {
		return nil, err
	}
	return &Semaphore{handle}, nil
}

// Wait blocks until it could take one from the count. It may return early, without taking one,
// when a signal comes.
func (s *Semaphore) Wait() error {
	result, err := C.sem_wait(s.handle)
	if result == 0 || err == syscall.EINTR {
		return nil
	}
	return err
}

// WaitFor is Wait for at most that long.
func (s *Semaphore) WaitFor(limit time.Duration) error {
	result, err := C.wait_for(s.handle, C.longlong(limit))
	if result == 0 || err == syscall.EINTR || err == syscall.ETIMEDOUT {
		return nil
	}
	return err
}

// Post adds one to the count and wakes a waiter. A count that is full already wakes as well.
func (s *Semaphore) Post() { C.sem_post(s.handle) }

// Close closes it for this process; nobody may be in Wait or Post.
func (s *Semaphore) Close() { C.sem_close(s.handle) }
