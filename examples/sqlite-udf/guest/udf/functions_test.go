// SPDX-License-Identifier: Apache-2.0

package udf

import (
	"errors"
	"strings"
	"testing"

	shm "github.com/xll-gen/shm/go"
)

func echo(arguments []Value) (Value, error) { return arguments[0], nil }

// ask sends values to a function, or to messageList, and returns the values that come back.
func ask(f *Functions, id uint32, room int, values ...Value) ([]Value, error) {
	message := make([]byte, EncodedSize(values))
	Encode(message, values)
	response := make([]byte, room)
	n, err := f.Handle(&shm.Request{Data: message, MessageID: id}, response)
	if err != nil {
		return nil, err
	}
	if n > room {
		return nil, errTooLarge
	}
	return Decode(response[:n], nil)
}

var errTooLarge = errors.New("too large")

func mustAdd(t *testing.T, f *Functions, name string, arity int, flags Flag, call Func) uint32 {
	if err := f.Add(name, arity, flags, call); err != nil {
		t.Fatal(err)
	}
	return messageID(name, arity)
}

func expectError(t *testing.T, err error, part string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), part) {
		t.Errorf("the error is %v, and should say %q", err, part)
	}
}

func TestFunctionsAreListed(t *testing.T) {
	f := New()
	id := mustAdd(t, f, "one", 1, Deterministic, echo)
	mustAdd(t, f, "any", AnyArity, DirectOnly, echo)
	list, err := ask(f, messageList, 4096, OfInteger(Version))
	if err != nil || len(list) != 8 {
		t.Fatalf("%v, %v", list, err)
	}
	if string(list[0].Bytes) != "one" || list[1].Integer != 1 || list[2].Integer != 1 || list[3].Integer != int64(id) {
		t.Errorf("the first is %v", list[:4])
	}
	if string(list[4].Bytes) != "any" || list[5].Integer != -1 || list[6].Integer != 2 {
		t.Errorf("the second is %v", list[4:])
	}
}

func TestOtherVersionsAreRefused(t *testing.T) {
	_, err := ask(New(), messageList, 4096, OfInteger(Version+1))
	expectError(t, err, "speaks version 2 and the guest version 1")
	_, err = ask(New(), messageList, 4096)
	expectError(t, err, "does not say its version")
}

func TestBadFunctionsAreRefused(t *testing.T) {
	f := New()
	mustAdd(t, f, "twice", 2, 0, echo)
	expectError(t, f.Add("Twice", 2, 0, echo), "same message id")
	expectError(t, f.Add("", 1, 0, echo), "not 1 to 255 bytes")
	expectError(t, f.Add("a\x00b", 1, 0, echo), "not 1 to 255 bytes")
	expectError(t, f.Add(strings.Repeat("n", 256), 1, 0, echo), "not 1 to 255 bytes")
	expectError(t, f.Add("many", 128, 0, echo), "SQLite takes")
	expectError(t, f.Add("few", -2, 0, echo), "SQLite takes")
	mustAdd(t, f, "twice", 3, 0, echo) // the same name with another number of arguments
}

// The extension of a guest that was started again goes on with the ids that it has.
func TestMessageIDsDependOnTheFunctionAlone(t *testing.T) {
	if messageID("geo_distance", 4) != messageID("GEO_distance", 4) || messageID("f", 1) == messageID("f", 2) {
		t.Error("SQLite's names have no case, and its functions a number of arguments")
	}
	if id := messageID("geo_distance", 4); id != 89580300 {
		t.Errorf("the id of geo_distance/4 was another before: now %d", id)
	}
}

func TestCallsAreAnswered(t *testing.T) {
	f := New()
	id := mustAdd(t, f, "echo", 1, 0, echo)
	result, err := ask(f, id, 4096, OfText("hello"))
	if err != nil || len(result) != 1 || result[0].Kind != Text || string(result[0].Bytes) != "hello" {
		t.Errorf("%v, %v", result, err)
	}
	_, err = ask(f, id, 4096)
	expectError(t, err, "got 0 arguments and takes 1")
	_, err = ask(f, id+1, 4096)
	if !errors.Is(err, shm.ErrUnknownMessage) {
		t.Errorf("an unknown function: %v", err)
	}
	if _, err = ask(f, id, 24, OfText("12345678")); err != nil {
		t.Errorf("a result that just fits: %v", err)
	}
	_, err = ask(f, id, 24, OfText("123456789"))
	expectError(t, err, "too large")
}

func TestBrokenRequestsAreErrors(t *testing.T) {
	f := New()
	id := mustAdd(t, f, "echo", 1, 0, echo)
	_, err := f.Handle(&shm.Request{Data: []byte{1, 2, 3}, MessageID: id}, nil)
	expectError(t, err, "the message of 3 bytes is broken: its size is no multiple of 8")
	bad := mustAdd(t, f, "bad", 0, 0, func([]Value) (Value, error) { return Value{Kind: 9}, nil })
	_, err = ask(f, bad, 4096)
	expectError(t, err, "unknown type 9")
}

func TestCallsAllocateNothing(t *testing.T) {
	f := New()
	id := mustAdd(t, f, "echo", 1, 0, echo)
	values := []Value{OfText("hello")}
	request := &shm.Request{Data: make([]byte, EncodedSize(values)), MessageID: id}
	Encode(request.Data, values)
	response := make([]byte, 64)
	// The spare arguments of a pool may be collected, and are thrown away at times under the race detector.
	allocations := testing.AllocsPerRun(1000, func() {
		if _, err := f.Handle(request, response); err != nil {
			t.Fatal(err)
		}
	})
	if allocations >= 1 {
		t.Errorf("%v allocations a call", allocations)
	}
}
