// SPDX-License-Identifier: Apache-2.0

package shm

import (
	"fmt"
	"reflect"
	"sync"
	"unsafe"
)

// StructIn is a received message as a plain struct, where it stands: of the same layout on both sides, with fixed sizes,
// no pointers, no padding that matters. It is valid as long as the message, not to be written, and a hostile peer may
// change it: copy what you decide on twice. Errors: ErrInvalidArgument for a type that holds something else than numbers,
// and for a message of another size or alignment. A message that its sender wrote from the beginning of its buffer is
// aligned to 8 at the least.
func StructIn[T any](message []byte) (*T, error) {
	size, err := structSize[T]()
	if err != nil {
		return nil, err
	}
	if len(message) != size {
		return nil, &failure{ErrInvalidArgument, fmt.Sprintf("the message has %d bytes, but its struct %d", len(message), size), nil}
	}
	return structAt[T](message)
}

// StructFor begins a message that is a plain struct: it stands at the beginning of the buffer, zeroed, and its size is what
// is to be sent. Errors: ErrInvalidArgument as StructIn, and for a buffer that is too small, or of a stale handle.
func StructFor[T any](buffer []byte) (*T, int, error) {
	size, err := structSize[T]()
	if err != nil {
		return nil, 0, err
	}
	if len(buffer) < size {
		return nil, 0, &failure{ErrInvalidArgument, fmt.Sprintf("the buffer has %d bytes, but the struct %d", len(buffer), size), nil}
	}
	value, err := structAt[T](buffer)
	if err == nil {
		var zero T
		*value = zero
	}
	return value, size, err
}

var plainTypes sync.Map // of reflect.Type to the error of checkPlain

// structSize is the size of a plain struct that has one.
func structSize[T any]() (int, error) {
	var value T
	kind := reflect.TypeOf((*T)(nil)).Elem()
	verdict, known := plainTypes.Load(kind)
	if !known {
		verdict = checkPlain(kind)
		if kind.Size() == 0 {
			verdict = &failure{ErrInvalidArgument, fmt.Sprintf("%v has no bytes", kind), nil}
		}
		plainTypes.Store(kind, verdict)
	}
	if verdict != nil {
		return 0, verdict.(error)
	}
	return int(unsafe.Sizeof(value)), nil
}

func structAt[T any](bytes []byte) (*T, error) {
	var value T
	at := unsafe.Pointer(&bytes[0])
	if uintptr(at)%unsafe.Alignof(value) != 0 {
		return nil, &failure{ErrInvalidArgument, fmt.Sprintf("the message is not aligned to %d", unsafe.Alignof(value)), nil}
	}
	return (*T)(at), nil
}
