// SPDX-License-Identifier: Apache-2.0

package shm

import (
	"errors"
	"strings"
	"testing"
)

func answerWith(text string) MessageHandler {
	return func(_ *Request, response []byte) (int, error) { return copy(response, text), nil }
}

func mustHandle(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestAMuxHandsEachMessageToItsHandler(t *testing.T) {
	var mux Mux
	mustHandle(t, mux.Handle(MessageNormal, answerWith("normal")))
	mustHandle(t, mux.Handle(MessageFirstUser, answerWith("replaced")))
	mustHandle(t, mux.Handle(MessageFirstUser, answerWith("first")))
	mustHandle(t, mux.Handle(0xffffffff, answerWith("last")))
	response := make([]byte, 16)
	for id, want := range map[uint32]string{MessageNormal: "normal", MessageFirstUser: "first", 0xffffffff: "last"} {
		n, err := mux.Serve(&Request{MessageID: id}, response)
		if err != nil || string(response[:n]) != want {
			t.Errorf("message %d: %q, %v", id, response[:n], err)
		}
	}
	for _, id := range []uint32{MessageFirstUser + 1, 0xfffffffe} {
		if _, err := mux.Serve(&Request{MessageID: id}, response); !errors.Is(err, ErrUnknownMessage) {
			t.Errorf("message %d: %v", id, err)
		}
	}
	if _, err := new(Mux).Serve(&Request{}, response); !errors.Is(err, ErrUnknownMessage) {
		t.Errorf("an empty mux: %v", err)
	}
}

func TestAMuxRefusesWhatReachesNoHandler(t *testing.T) {
	var mux Mux
	for _, err := range []error{
		mux.Handle(MessageHeartbeatRequest, answerWith("")),
		mux.Handle(MessageFirstUser-1, answerWith("")),
		mux.Handle(MessageFirstUser, nil),
		HandleStruct[int32, int32](&mux, MessageFirstUser, nil),
		HandleStruct(&mux, MessageFirstUser, func(*string, *int32) error { return nil }),
		HandleStruct(&mux, MessageFirstUser, func(*int32, *struct{ p [2]*int }) error { return nil }),
		HandleStruct(&mux, MessageFirstUser, func(*int, *int32) error { return nil }),
		HandleStruct(&mux, MessageFirstUser, func(*bool, *int32) error { return nil }),
	} {
		if !errors.Is(err, ErrInvalidArgument) {
			t.Errorf("accepted: %v", err)
		}
	}
	if len(mux.handlers) != 0 {
		t.Error("something was registered")
	}
}

type point struct{ X, Y float64 }

func TestStructsGoToTheirHandler(t *testing.T) {
	var mux Mux
	mustHandle(t, HandleStruct(&mux, 130, func(p *point, mirrored *point) error {
		if p.X == 0 {
			return errors.New("no point")
		}
		mirrored.X, mirrored.Y = -p.X, -p.Y
		return nil
	}))
	response := make([]byte, 16)
	n, err := mux.Serve(&Request{MessageID: 130, Data: bytesOf(&point{3, 4})}, response)
	var got point
	copy(bytesOf(&got), response[:n])
	if err != nil || n != 16 || got != (point{-3, -4}) {
		t.Errorf("%d bytes, %v, %v", n, got, err)
	}
	if _, err = mux.Serve(&Request{MessageID: 130, Data: make([]byte, 15)}, response); err == nil ||
		!strings.Contains(err.Error(), "130 has 15 bytes, but its struct 16") {
		t.Errorf("a request that is too short: %v", err)
	}
	if _, err = mux.Serve(&Request{MessageID: 130, Data: bytesOf(&point{})}, response); err == nil {
		t.Error("the handler's error is gone")
	}
	if n, err = mux.Serve(&Request{MessageID: 130, Data: bytesOf(&point{3, 4})}, response[:8]); n != 16 || err != nil {
		t.Errorf("a response that does not fit: %d bytes, %v", n, err)
	}
}

func TestAMuxServesAClient(t *testing.T) {
	bounded(t)
	h := newHost(t, 1, 64)
	var mux Mux
	mustHandle(t, mux.Handle(200, answerWith("two hundred")))
	h.serve(t, mux.Serve)
	h.callers[0].expect(t, 200, "", ok(200, "two hundred"))
	h.callers[0].expect(t, 201, "", answer{answerUnknownMessage, 201, nil})
}
