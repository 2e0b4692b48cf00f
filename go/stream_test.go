// SPDX-License-Identifier: Apache-2.0

package shm

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand"
	"strings"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"time"
)

const streamCapacity = 1000 // of the slots, for pieces of 936 bytes

// bridge connects a client that calls to one that serves: what the one asks its host is handed to the other as its
// host's request, by as many slots.
func bridge(t testing.TB, slots int, serve map[uint32]StreamHandler, options ...Option) *Client {
	t.Helper()
	called, peers := newCalledHost(t, uint32(slots), streamCapacity)
	serving := newHost(t, uint32(slots), streamCapacity)
	server := serving.connect(t, options...)
	server.HandleMessage(echo)
	for id, handler := range serve {
		if err := server.HandleStream(id, 0, handler); err != nil {
			t.Fatal(err)
		}
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	for i, p := range peers {
		c := serving.callers[i]
		p.run(t, func(p *peerResponder) { p.forward(c) })
	}
	return called.connect(t, WithCallsOnly(), WithCallSlots(slots))
}

// forward answers a request as the other client does.
func (p *peerResponder) forward(c *peerCaller) {
	id := p.ordinaryTurn.messageID
	if p.seen&flagTiny != 0 {
		if id = MessageNormal; p.turn.transportID&transportIDNamed != 0 {
			id = p.namedTurn.tinyMessageID
		}
	}
	transportID := atomic.LoadUint64(&p.turn.transportID)
	got, err := c.call(id, append([]byte(nil), p.payload()...))
	if err != nil {
		return // the server has left: the caller gives up
	}
	copy(p.response, got.payload)
	p.answer(got.status, uint32(len(got.payload)), transportID)
}

func randomBytes(n int) []byte {
	all := make([]byte, n)
	rand.New(rand.NewSource(int64(n))).Read(all)
	return all
}

func flip(from []byte) []byte {
	to := make([]byte, len(from))
	for i, b := range from {
		to[i] = ^b
	}
	return to
}

// flipAll answers with the request's bytes, all flipped, as they come: less than a piece at a time.
func flipAll(_ context.Context, stream *ServedStream) error { return flipBy(700, stream) }

// flipPieces takes and gives whole pieces, which are copied by the worker if it waits for them.
func flipPieces(_ context.Context, stream *ServedStream) error { return flipBy(4000, stream) }

func flipBy(size int, stream *ServedStream) error {
	buffer := make([]byte, size)
	for {
		n, err := stream.Read(buffer)
		if _, err := stream.Write(flip(buffer[:n])); err != nil {
			return err
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// flipAtLast is flipAll for callers with one slot, who ask for nothing before they have sent all.
func flipAtLast(_ context.Context, stream *ServedStream) error {
	all, err := stream.ReadAll(1 << 20)
	if err == nil {
		_, err = stream.Write(flip(all))
	}
	return err
}

// converse sends a request while it reads the response.
func converse(t *testing.T, c *Client, id uint32, request []byte, o StreamOptions) ([]byte, error) {
	t.Helper()
	s, err := c.Stream(context.Background(), id, o)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	sent := make(chan error, 1)
	go func() {
		_, err := io.Copy(s, iotest.OneByteReader(bytes.NewReader(request[:len(request)%5])))
		if err == nil {
			_, err = s.Write(request[len(request)%5:])
		}
		if err == nil {
			err = s.CloseWrite()
		}
		sent <- err
	}()
	response, err := s.ReadAll(1 << 30)
	if failed := <-sent; err == nil {
		err = failed
	}
	if err == nil {
		err = s.Close()
	}
	return response, err
}

func TestStreamsOfEverySize(t *testing.T) {
	bounded(t)
	for _, slots := range []int{1, 2, 4} {
		for _, workers := range []int{1, slots} {
			handlers := map[uint32]StreamHandler{200: flipAll, 201: flipPieces}
			if slots == 1 {
				handlers = map[uint32]StreamHandler{200: flipAtLast, 201: flipAtLast}
			}
			c := bridge(t, slots, handlers, WithSlotsPerWorker(slots/workers))
			for _, size := range []int{0, 1, 935, 936, 937, 5000, 40000} {
				for _, known := range []int64{0, int64(size)} {
					for id := range handlers {
						request := randomBytes(size)
						response, err := converse(t, c, id, request, StreamOptions{RequestSize: known, Depth: slots})
						if err != nil || !bytes.Equal(response, flip(request)) {
							t.Fatalf("%d slots, %d workers, %d bytes, %d known, handler %d: %d bytes came back, %v", slots, workers, size, known, id, len(response), err)
						}
					}
				}
			}
		}
	}
}

func TestManyStreamsAtATime(t *testing.T) {
	bounded(t)
	c := bridge(t, 4, map[uint32]StreamHandler{MessageNormal: flipAll})
	failed := make(chan error, 8)
	for i := 0; i < cap(failed); i++ {
		go func(size int) {
			request := randomBytes(size)
			response, err := converse(t, c, MessageNormal, request, StreamOptions{Depth: 2})
			if err == nil && !bytes.Equal(response, flip(request)) {
				err = fmt.Errorf("%d bytes came back wrong", size)
			}
			failed <- err
		}(20000 + i)
	}
	for i := 0; i < cap(failed); i++ {
		if err := <-failed; err != nil {
			t.Error(err)
		}
	}
}

func TestWhatAHandlerSays(t *testing.T) {
	bounded(t)
	c := bridge(t, 4, map[uint32]StreamHandler{
		200: func(context.Context, *ServedStream) error { return errors.New("on purpose") },
		201: func(context.Context, *ServedStream) error { panic("in the middle") },
		202: func(_ context.Context, s *ServedStream) error { _, err := s.ReadAll(5000); return err },
		203: func(_ context.Context, s *ServedStream) error { _, err := s.Write(make([]byte, 5001)); return err },
		204: func(_ context.Context, s *ServedStream) error {
			if err := s.Announce(10); err != nil {
				return err
			}
			_, err := s.Write([]byte("nine byte"))
			return err
		},
		205: func(_ context.Context, s *ServedStream) error {
			_, err := s.Write([]byte("enough"))
			return err
		},
	})
	for id, want := range map[uint32]struct {
		err  error
		text string
	}{200: {ErrHandlerFailed, "on purpose"}, 201: {ErrHandlerFailed, "in the middle"}, 202: {ErrHandlerFailed, "5000"},
		203: {ErrResponseTooLarge, "5000"}, 204: {ErrHandlerFailed, "9 bytes of the 10"}, 206: {ErrUnknownMessage, "nobody"}} {
		_, err := converse(t, c, id, randomBytes(20000), StreamOptions{ResponseLimit: 5000})
		if !errors.Is(err, want.err) || !strings.Contains(err.Error(), want.text) {
			t.Errorf("message id %d: %v", id, err)
		}
	}
	response, err := converse(t, c, 205, randomBytes(20000), StreamOptions{})
	if err != nil || string(response) != "enough" {
		t.Errorf("a handler that takes nothing: %q, %v", response, err)
	}
}

func TestAnAbortEndsBothSides(t *testing.T) {
	bounded(t)
	ended := make(chan error, 1)
	c := bridge(t, 4, map[uint32]StreamHandler{200: func(ctx context.Context, s *ServedStream) error {
		_, err := io.Copy(io.Discard, s)
		<-ctx.Done()
		ended <- err
		return err
	}})
	for _, reason := range []string{"", "changed my mind"} {
		s, err := c.Stream(context.Background(), 200, StreamOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Write(randomBytes(10000)); err != nil {
			t.Fatal(err)
		}
		if reason != "" {
			s.Abort(reason)
			if _, err := s.Write([]byte("x")); !errors.Is(err, ErrStreamAborted) {
				t.Error(err)
			}
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if err := <-ended; !errors.Is(err, ErrStreamAborted) || !strings.Contains(err.Error(), reason) {
			t.Error(err)
		}
	}
}

func TestAStreamOfWhichNothingIsHeardEnds(t *testing.T) {
	bounded(t)
	ended := make(chan error, 1)
	c := bridge(t, 2, map[uint32]StreamHandler{200: func(ctx context.Context, s *ServedStream) error {
		_, err := s.Read(make([]byte, 1))
		ended <- err
		return err
	}}, WithStreams(1, 20*time.Millisecond))
	s, err := c.Stream(context.Background(), 200, StreamOptions{Depth: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := <-ended; !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	if _, err := s.Write(randomBytes(5000)); err == nil {
		err = s.CloseWrite()
	}
	if _, err := s.Read(make([]byte, 1)); !errors.Is(err, ErrStreamLost) {
		t.Error(err)
	}
}

// With one slot nothing is in flight before the request is whole.
func TestWhoReadsAStreamHearsOfItsEnd(t *testing.T) {
	bounded(t)
	for _, what := range []struct {
		end  func(c *Client, cancel func())
		want error
	}{
		{func(c *Client, cancel func()) { cancel() }, ErrTimeoutMaybeExecuted},
		{func(c *Client, cancel func()) { c.Close() }, ErrClosedMaybeExecuted},
	} {
		c := liar(t, nil)
		ctx, cancel := context.WithCancel(context.Background())
		s, err := c.Stream(ctx, 200, StreamOptions{})
		if err != nil {
			t.Fatal(err)
		}
		read := make(chan error)
		go func() {
			_, err := s.Read(make([]byte, 1))
			read <- err
		}()
		what.end(c, cancel)
		expectCallError(t, <-read, what.want, MaybeExecuted)
		expectCallError(t, s.Close(), what.want, MaybeExecuted)
		cancel()
	}
}

// liar serves streams by hand: the answer to each STREAM_NEXT is what the test says.
func liar(t *testing.T, next func(count int) []byte) *Client {
	h, peers := newCalledHost(t, 1, streamCapacity)
	count := 0
	peers[0].run(t, func(p *peerResponder) {
		id := p.ordinaryTurn.messageID
		if p.seen&flagTiny != 0 {
			id = p.namedTurn.tinyMessageID
		}
		size := putStreamAnswer(p.response, streamOk, 0, 7)
		if id == messageStreamNext {
			size = copy(p.response, next(count))
			count++
		}
		p.answer(answerOK, uint32(size), atomic.LoadUint64(&p.turn.transportID))
	})
	return h.connect(t, WithCallsOnly())
}

func pieceByHand(size int, flags uint32, offset, whole uint64) []byte {
	made := make([]byte, streamPiece+size)
	putPiece(made, size, flags, offset, whole)
	return made
}

func TestAHostThatLiesInAStream(t *testing.T) {
	bounded(t)
	const unknown = streamUnknownSize
	for what, pieces := range map[string][][]byte{
		"too short":                {{0, 0, 0}},
		"a piece without its head": {make([]byte, 20)},
		"an unknown outcome":       {{99, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}},
		"beyond the limit":         {pieceByHand(100, 0, 5000, unknown)},
		"an offset that overflows": {pieceByHand(100, 0, 1<<64-50, unknown)},
		"beyond its own size":      {pieceByHand(100, 0, 0, 99)},
		"another size":             {pieceByHand(10, 0, 0, 100), pieceByHand(10, 0, 10, 101)},
		"twice":                    {pieceByHand(10, 0, 0, unknown), pieceByHand(10, 0, 5, unknown)},
		"an end too early":         {pieceByHand(10, streamLast, 0, 100)},
		"a gap":                    {pieceByHand(10, streamLast, 10, 20)},
	} {
		t.Run(what, func(t *testing.T) {
			c := liar(t, func(count int) []byte { return pieces[count%len(pieces)] })
			s, err := c.Stream(context.Background(), 200, StreamOptions{ResponseLimit: 5000})
			if err != nil {
				t.Fatal(err)
			}
			if err := s.CloseWrite(); err != nil && !errors.Is(err, ErrProtocolViolated) {
				t.Fatal(err)
			}
			if _, err := s.ReadAll(5000); !errors.Is(err, ErrProtocolViolated) {
				t.Error(err)
			}
			if err := s.Close(); !errors.Is(err, ErrProtocolViolated) {
				t.Error(err)
			}
		})
	}
}

func TestACallerThatLiesInAStream(t *testing.T) {
	bounded(t)
	h := newHost(t, 4, streamCapacity)
	ended := make(chan error, 1)
	client := h.connect(t, WithStreams(1, time.Minute))
	client.HandleMessage(echo)
	if err := client.HandleStream(200, 0, func(_ context.Context, s *ServedStream) error {
		_, err := io.Copy(io.Discard, s)
		ended <- err
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if err := client.Start(); err != nil {
		t.Fatal(err)
	}
	c := h.callers[0]
	ask := func(id uint32, payload []byte) (outcome uint32, value uint64) {
		got, err := c.call(id, payload)
		if err != nil || got.status != answerOK || len(got.payload) < streamAnswerText {
			t.Fatal(got, err)
		}
		return binary.LittleEndian.Uint32(got.payload), binary.LittleEndian.Uint64(got.payload[8:])
	}
	opening := func(size uint64, id, window uint32) []byte {
		made := make([]byte, streamOpenSize)
		binary.LittleEndian.PutUint64(made, size)
		binary.LittleEndian.PutUint64(made[8:], streamUnknownSize)
		binary.LittleEndian.PutUint32(made[16:], id)
		binary.LittleEndian.PutUint32(made[20:], window)
		return made
	}
	for _, wrong := range [][]byte{{1, 2, 3}, opening(1<<40+1, 200, 1), opening(10, 5, 1), opening(10, 200, 0), opening(10, 200, 65)} {
		if outcome, _ := ask(messageStreamOpen, wrong); outcome != streamBroken {
			t.Errorf("opening %v: outcome %d", wrong, outcome)
		}
	}
	if outcome, _ := ask(messageStreamNext, []byte("12345678")); outcome != streamUnknownStream {
		t.Error(outcome)
	}
	for what, piece := range map[string]struct {
		offset uint64
		size   int
		flags  uint32
	}{"beyond the request": {0, 101, 0}, "an offset that overflows": {1<<64 - 10, 20, 0}, "empty": {0, 0, 0},
		"last too early": {0, 50, streamLast}, "not the last": {50, 50, 0}} {
		_, number := ask(messageStreamOpen, opening(100, 200, 2))
		data := make([]byte, streamPiece+piece.size)
		binary.LittleEndian.PutUint64(data, number)
		binary.LittleEndian.PutUint64(data[8:], piece.offset)
		binary.LittleEndian.PutUint32(data[16:], piece.flags)
		if outcome, _ := ask(messageStreamData, data); outcome != streamBroken {
			t.Errorf("%s: outcome %d", what, outcome)
		}
		if err := <-ended; !errors.Is(err, ErrProtocolViolated) {
			t.Errorf("%s: %v", what, err)
		}
		if outcome, _ := ask(messageStreamOpen, opening(100, 200, 2)); outcome != streamTooMany {
			t.Errorf("%s: a second stream has the outcome %d", what, outcome)
		}
		farewell := make([]byte, streamEndText)
		binary.LittleEndian.PutUint64(farewell, number)
		ask(messageStreamEnd, farewell)
	}
}
