// SPDX-License-Identifier: Apache-2.0

package udf

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

// Kind is the type of an SQL value, numbered as on the wire.
type Kind uint8

// The types of SQLite's values.
const (
	Null Kind = iota
	Integer
	Real
	Text
	Blob
)

var kindNames = [...]string{"NULL", "INTEGER", "REAL", "TEXT", "BLOB"}

// String is the type's name in SQL.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return fmt.Sprintf("unknown type %d", uint8(k))
}

// Value is one SQL value. The zero Value is NULL.
type Value struct {
	Kind    Kind
	Integer int64
	Real    float64
	// Bytes are those of a text or a blob. An argument's lie in shared memory: they are not to be written
	// to or kept, and a hostile host may change them meanwhile.
	Bytes []byte
}

// OfInteger makes an INTEGER.
func OfInteger(i int64) Value { return Value{Kind: Integer, Integer: i} }

// OfReal makes a REAL; SQLite takes a NaN for NULL.
func OfReal(r float64) Value { return Value{Kind: Real, Real: r} }

// OfText makes a TEXT.
func OfText(s string) Value { return Value{Kind: Text, Bytes: []byte(s)} }

// Number is the value of an INTEGER or a REAL.
func (v Value) Number() (number float64, is bool) {
	switch v.Kind {
	case Integer:
		return float64(v.Integer), true
	case Real:
		return v.Real, true
	}
	return 0, false
}

// The encoding is described in values.h.
const (
	countSize = 4
	wordSize  = 8
)

func roundedUp(size uint64) uint64 { return (size + wordSize - 1) / wordSize * wordSize }

// EncodedSize is the size of the message that Encode writes.
func EncodedSize(values []Value) uint64 {
	size := roundedUp(countSize + uint64(len(values)))
	for i := range values {
		switch values[i].Kind {
		case Integer, Real:
			size += wordSize
		case Text, Blob:
			size += wordSize + roundedUp(uint64(len(values[i].Bytes)))
		}
	}
	return size
}

// Encode writes the values to the beginning of the buffer, which must hold EncodedSize bytes.
func Encode(buffer []byte, values []Value) {
	head := roundedUp(countSize + uint64(len(values)))
	binary.LittleEndian.PutUint32(buffer, uint32(len(values)))
	at := buffer[head:]
	pad(buffer[:head], countSize+len(values))
	for i := range values {
		v := &values[i]
		buffer[countSize+i] = byte(v.Kind)
		switch v.Kind {
		case Integer:
			binary.LittleEndian.PutUint64(at, uint64(v.Integer))
			at = at[wordSize:]
		case Real:
			binary.LittleEndian.PutUint64(at, math.Float64bits(v.Real))
			at = at[wordSize:]
		case Text, Blob:
			binary.LittleEndian.PutUint64(at, uint64(len(v.Bytes)))
			at = at[wordSize:]
			padded := roundedUp(uint64(len(v.Bytes)))
			pad(at[:padded], copy(at, v.Bytes))
			at = at[padded:]
		}
	}
}

func pad(buffer []byte, from int) {
	for ; from < len(buffer); from++ {
		buffer[from] = 0
	}
}

// What may be wrong with a message.
var (
	errNoMessage   = errors.New("its size is no multiple of 8, or 0")
	errShortTypes  = errors.New("it is shorter than the types of its values")
	errTypePadding = errors.New("the bytes after its types are not zero")
	errShort       = errors.New("it ends before its values do")
	errSize        = errors.New("a size in it leads beyond its end")
	errPadding     = errors.New("the bytes after a text or a blob are not zero")
	errType        = errors.New("it has a value of an unknown type")
	errLong        = errors.New("it goes on after its last value")
)

// Decode appends the message's values to values. It reads each number once, checks it, then uses it, since
// the message may be changing.
func Decode(message []byte, values []Value) ([]Value, error) {
	if len(message) == 0 || len(message)%wordSize != 0 {
		return values, errNoMessage
	}
	count := uint64(binary.LittleEndian.Uint32(message))
	if countSize+count > uint64(len(message)) {
		return values, errShortTypes
	}
	types := message[countSize : countSize+count]
	head := roundedUp(countSize + count)
	if !isZero(message[countSize+count : head]) {
		return values, errTypePadding
	}
	rest := message[head:]
	for _, kind := range types {
		var v Value
		var err error
		if v, rest, err = take(Kind(kind), rest); err != nil {
			return values, err
		}
		values = append(values, v)
	}
	if len(rest) > 0 {
		return values, errLong
	}
	return values, nil
}

func take(kind Kind, from []byte) (v Value, rest []byte, err error) {
	v.Kind = kind
	if kind == Null {
		return v, from, nil
	}
	if kind > Blob {
		return v, nil, errType
	}
	if len(from) < wordSize {
		return v, nil, errShort
	}
	word := binary.LittleEndian.Uint64(from)
	rest = from[wordSize:]
	switch kind {
	case Integer:
		v.Integer = int64(word)
	case Real:
		v.Real = math.Float64frombits(word)
	case Text, Blob:
		v.Bytes, rest, err = takeBytes(word, rest)
	}
	return v, rest, err
}

func takeBytes(size uint64, from []byte) (bytes, rest []byte, err error) {
	if size > uint64(len(from)) {
		return nil, nil, errSize
	}
	padded := roundedUp(size) // not beyond the end: that is a multiple of 8
	if !isZero(from[size:padded]) {
		return nil, nil, errPadding
	}
	return from[:size:size], from[padded:], nil
}

func isZero(bytes []byte) bool {
	for _, b := range bytes {
		if b != 0 {
			return false
		}
	}
	return true
}
