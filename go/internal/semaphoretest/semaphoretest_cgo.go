// SPDX-License-Identifier: Apache-2.0

//go:build cgo && !windows

package semaphoretest

/*
#cgo LDFLAGS: -pthread
#include <fcntl.h>
#include <semaphore.h>
#include <stdlib.h>

// sem_open takes a variable number of arguments, which cgo cannot call.
static int create(const char *name) {
	sem_t *created = sem_open(name, O_CREAT | O_EXCL, 0600, 0);
	return created == SEM_FAILED ? -1 : sem_close(created);
}
*/
import "C"

import "unsafe"

// Create makes a semaphore of that name, which must be new, with the count 0.
func Create(name string) error {
	text := C.CString(name)
	defer C.free(unsafe.Pointer(text))
	if result, err := C.create(text); result != 0 {
		return err
	}
	return nil
}

// Remove removes the name; who has the semaphore open keeps it.
func Remove(name string) error {
	text := C.CString(name)
	defer C.free(unsafe.Pointer(text))
	if result, err := C.sem_unlink(text); result != 0 {
		return err
	}
	return nil
}
