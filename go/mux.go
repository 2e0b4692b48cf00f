// SPDX-License-Identifier: Apache-2.0

package shm

import (
	"fmt"
	"reflect"
	"unsafe"
)

// Mux hands each request to the handler of its message id. Its method Serve is a MessageHandler, to be
// given to HandleMessage. The zero Mux has no handlers. It is filled before it serves; then any number of
// goroutines may use it.
type Mux struct {
	handlers map[uint32]MessageHandler
}

// Handle names the handler of a message id, in the place of an earlier one. The id is MessageNormal or one
// from MessageFirstUser on. Errors: ErrInvalidArgument for another one, and for a nil handler.
func (m *Mux) Handle(messageID uint32, handler MessageHandler) error {
	if handler == nil {
		return &failure{ErrInvalidArgument, fmt.Sprintf("the handler of the message id %d is nil", messageID), nil}
	}
	if messageID != MessageNormal && messageID < MessageFirstUser {
		return &failure{ErrInvalidArgument, fmt.Sprintf(
			"the message id %d never reaches a handler; use %d or %d and above",
			messageID, MessageNormal, MessageFirstUser), nil}
	}
	if m.handlers == nil {
		m.handlers = make(map[uint32]MessageHandler)
	}
	m.handlers[messageID] = handler
	return nil
}

// Serve hands a request to the handler of its message id. One that has none is refused with
// ErrUnknownMessage, which is UNKNOWN_MESSAGE at its caller.
func (m *Mux) Serve(request *Request, response []byte) (int, error) {
	if handler, known := m.handlers[request.MessageID]; known {
		return handler(request, response)
	}
	return 0, ErrUnknownMessage
}

// HandleStruct is Mux.Handle for messages that are plain structs, of the same layout on both sides: fixed
// sizes, no pointers, no padding that matters. The handler gets a copy of the one and fills the other,
// zeroed. A request of another size is an error at its caller that says so, and so is a slot too small for
// the response. Errors: as Mux.Handle; ErrInvalidArgument for a type that holds pointers.
func HandleStruct[Q, R any](m *Mux, messageID uint32, handler func(request *Q, response *R) error) error {
	for _, kind := range []reflect.Type{reflect.TypeOf((*Q)(nil)).Elem(), reflect.TypeOf((*R)(nil)).Elem()} {
		if err := checkPlain(kind); err != nil {
			return err
		}
	}
	if handler == nil {
		return m.Handle(messageID, nil)
	}
	return m.Handle(messageID, func(request *Request, buffer []byte) (int, error) {
		var asked Q
		if len(request.Data) != int(unsafe.Sizeof(asked)) {
			return 0, fmt.Errorf("a request with the message id %d has %d bytes, but its struct %d",
				messageID, len(request.Data), unsafe.Sizeof(asked))
		}
		copy(bytesOf(&asked), request.Data)
		var answer R
		if err := handler(&asked, &answer); err != nil {
			return 0, err
		}
		copy(buffer, bytesOf(&answer))
		return int(unsafe.Sizeof(answer)), nil // more than the buffer has is told to the caller
	})
}

// checkPlain refuses a type whose values are more than their bytes.
func checkPlain(kind reflect.Type) error {
	if isPlain(kind) {
		return nil
	}
	return &failure{ErrInvalidArgument, fmt.Sprintf(
		"%v holds something else than numbers, so its bytes mean nothing in another process", kind), nil}
}

// bytesOf is the memory of a plain value.
func bytesOf[T any](value *T) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(value)), unsafe.Sizeof(*value))
}

// isPlain tells whether a value of that type is its bytes, of the same number on every system.
func isPlain(kind reflect.Type) bool {
	switch kind.Kind() {
	case reflect.Bool:
		return false // of its bytes only two mean something
	case reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64, reflect.Uint8, reflect.Uint16,
		reflect.Uint32, reflect.Uint64, reflect.Float32, reflect.Float64, reflect.Complex64, reflect.Complex128:
		return true
	case reflect.Array:
		return isPlain(kind.Elem())
	case reflect.Struct:
		for i := 0; i < kind.NumField(); i++ {
			if !isPlain(kind.Field(i).Type) {
				return false
			}
		}
		return true
	}
	return false
}
