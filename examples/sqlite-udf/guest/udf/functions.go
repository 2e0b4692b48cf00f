// SPDX-License-Identifier: Apache-2.0

// Package udf serves SQL functions to the SQLite extension beside it: functions are added by name and number
// of arguments, and Handle answers the extension's requests.
package udf

import (
	"errors"
	"fmt"
	"hash/fnv"
	"math"
	"strings"
	"sync"

	shm "github.com/xll-gen/shm/go"
)

// Version of the encoding and of the list of functions, which the extension sends when it asks for that.
const Version = 1

// messageList asks for the list of functions. Each function has a message id of its own above it.
const messageList = shm.MessageFirstUser

// The limits of SQLite.
const (
	AnyArity  = -1
	mostArity = 127
	mostName  = 255
)

// Flag says something about a function that SQLite's planner wants to know.
type Flag int64

const (
	// Deterministic: the same arguments always give the same result. SQLite may then call the function once where
	// the statement names it often, and use it in an index.
	Deterministic Flag = 1 << iota
	// DirectOnly: not to be called by views, triggers and the like, which whoever made the database's file wrote.
	// For functions that do something.
	DirectOnly
)

// Func computes a function's value. Its arguments are valid until it returns. An error, or what it panics with,
// becomes the error of the SQL statement.
//
// It runs in one goroutine per connection to the database.
type Func func(arguments []Value) (Value, error)

type function struct {
	name  string
	arity int
	flags Flag
	call  Func
}

// Functions are the SQL functions that a guest has. All are added before the first request.
type Functions struct {
	byID   map[uint32]*function
	list   []Value // the answer to messageList
	spares sync.Pool
}

// New makes an empty set.
func New() *Functions {
	return &Functions{
		byID:   map[uint32]*function{},
		spares: sync.Pool{New: func() interface{} { return new([]Value) }},
	}
}

// Add adds a function with this number of arguments, or AnyArity. The same name may be added once for each number.
func (f *Functions) Add(name string, arity int, flags Flag, call Func) error {
	if len(name) == 0 || len(name) > mostName || strings.IndexByte(name, 0) >= 0 {
		return fmt.Errorf("the name %q of a function is not 1 to %d bytes without a zero", name, mostName)
	}
	if arity < AnyArity || arity > mostArity {
		return fmt.Errorf("%s has %d arguments; SQLite takes %d to %d", name, arity, AnyArity, mostArity)
	}
	id := messageID(name, arity)
	if other := f.byID[id]; other != nil {
		return fmt.Errorf("%s/%d has the same message id %d as %s/%d; rename one", name, arity, id, other.name, other.arity)
	}
	f.byID[id] = &function{name, arity, flags, call}
	f.list = append(f.list, OfText(name), OfInteger(int64(arity)), OfInteger(int64(flags)), OfInteger(int64(id)))
	return nil
}

// messageID depends on the function alone. So a guest that is started again has the same ids, and one with
// other functions refuses what it does not have, instead of calling something else.
func messageID(name string, arity int) uint32 {
	hash := fnv.New32a()
	fmt.Fprintf(hash, "%s/%d", strings.ToLower(name), arity)
	const first = messageList + 1
	return first + hash.Sum32()%(math.MaxUint32-first+1)
}

// Handle answers one request of the extension; it is a shm.MessageHandler.
func (f *Functions) Handle(request *shm.Request, response []byte) (int, error) {
	spare := f.spares.Get().(*[]Value)
	arguments, err := Decode(request.Data, (*spare)[:0])
	*spare = arguments
	if err != nil {
		return 0, fmt.Errorf("the message of %d bytes is broken: %w", len(request.Data), err)
	}
	n, err := f.answer(request.MessageID, arguments, response)
	f.spares.Put(spare)
	return n, err
}

func (f *Functions) answer(id uint32, arguments []Value, response []byte) (int, error) {
	if id == messageList {
		if err := checkVersion(arguments); err != nil {
			return 0, err
		}
		return reply(f.list, response)
	}
	called := f.byID[id]
	if called == nil {
		return 0, shm.ErrUnknownMessage
	}
	if called.arity != AnyArity && called.arity != len(arguments) {
		return 0, fmt.Errorf("it got %d arguments and takes %d", len(arguments), called.arity)
	}
	result, err := called.call(arguments)
	if err != nil {
		return 0, err
	}
	return reply([]Value{result}, response)
}

func checkVersion(arguments []Value) error {
	if len(arguments) != 1 || arguments[0].Kind != Integer {
		return errors.New("the request for the functions does not say its version")
	}
	if arguments[0].Integer != Version {
		return fmt.Errorf("the extension speaks version %d and the guest version %d; build them from the same tree",
			arguments[0].Integer, Version)
	}
	return nil
}

// reply writes the values if they fit; more than the buffer holds is an error at the caller.
func reply(values []Value, response []byte) (int, error) {
	for i := range values {
		if values[i].Kind > Blob {
			return 0, fmt.Errorf("the function returned a value of %v", values[i].Kind)
		}
	}
	size := EncodedSize(values)
	if size > uint64(len(response)) {
		return len(response) + 1, nil
	}
	Encode(response, values)
	return int(size), nil
}
