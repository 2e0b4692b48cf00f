// SPDX-License-Identifier: Apache-2.0

// Streamer_go is a guest that calls with streams and serves them, for the process tests: what it does, and the lines that it
// answers, stand in streamer.h and streamer_main.c.
package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	shm "github.com/xll-gen/shm/go"
)

const (
	streamHash    = 200
	streamProduce = 201
	streamFlip    = 202
	streamWhole   = 203

	period = 100003
	whole  = 1 << 20
)

// The bytes of each message.
var pattern = func() (made [period]byte) {
	for i := range made {
		made[i] = byte(i*7 + (i>>8)*13)
	}
	return made
}()

func fill(to []byte, offset uint64) {
	for len(to) > 0 {
		n := copy(to, pattern[offset%period:])
		to, offset = to[n:], offset+uint64(n)
	}
}

type hash uint64

func newHash() *hash {
	h := hash(0xCBF29CE484222325)
	return &h
}

func (h *hash) Write(bytes []byte) (int, error) {
	sum := uint64(*h)
	for _, b := range bytes {
		sum = (sum ^ uint64(b)) * 0x100000001B3
	}
	*h = hash(sum)
	return len(bytes), nil
}

// patternReader reads that many bytes of the pattern, each piece after a pause.
type patternReader struct {
	at, size uint64
	pause    time.Duration
}

func (r *patternReader) Read(to []byte) (int, error) {
	if r.at == r.size {
		return 0, io.EOF
	}
	time.Sleep(r.pause)
	if left := r.size - r.at; uint64(len(to)) > left {
		to = to[:left]
	}
	fill(to, r.at)
	r.at += uint64(len(to))
	return len(to), nil
}

var statuses = []struct {
	err  error
	name string
}{
	{shm.ErrStreamAborted, "SIPC_STREAM_ABORTED"}, {shm.ErrStreamLost, "SIPC_STREAM_LOST"},
	{shm.ErrPeerDiedMaybeExecuted, "SIPC_PEER_DIED_MAYBE_EXECUTED"}, {shm.ErrPeerDied, "SIPC_PEER_DIED"},
	{shm.ErrClosedMaybeExecuted, "SIPC_CLOSED_MAYBE_EXECUTED"}, {shm.ErrClosed, "SIPC_CLOSED"},
	{shm.ErrHandlerFailed, "SIPC_HANDLER_FAILED"}, {shm.ErrUnknownMessage, "SIPC_UNKNOWN_MESSAGE"},
	{shm.ErrRequestTooLarge, "SIPC_REQUEST_TOO_LARGE"}, {shm.ErrResponseTooLarge, "SIPC_RESPONSE_TOO_LARGE"},
	{shm.ErrTimeoutMaybeExecuted, "SIPC_TIMEOUT_MAYBE_EXECUTED"}, {shm.ErrTimeout, "SIPC_TIMEOUT"},
}

func statusOf(err error) string {
	if err == nil {
		return "SIPC_OK"
	}
	for _, status := range statuses {
		if errors.Is(err, status.err) {
			return status.name
		}
	}
	return err.Error()
}

// ---- Serving ----

var (
	openStreams int32
	lastEnd     atomic.Value
)

func serve(handler func(*shm.ServedStream) error) shm.StreamHandler {
	return func(_ context.Context, stream *shm.ServedStream) error {
		atomic.AddInt32(&openStreams, 1)
		err := handler(stream)
		lastEnd.Store(statusOf(err))
		atomic.AddInt32(&openStreams, -1)
		return err
	}
}

func tellHash(stream *shm.ServedStream) error {
	sum := newHash()
	n, err := io.Copy(sum, stream)
	if err != nil {
		return err
	}
	var told [16]byte
	binary.LittleEndian.PutUint64(told[:], uint64(n))
	binary.LittleEndian.PutUint64(told[8:], uint64(*sum))
	_, err = stream.Write(told[:])
	return err
}

func produce(stream *shm.ServedStream) error {
	request, err := stream.ReadAll(8)
	if err != nil {
		return err
	}
	size := binary.LittleEndian.Uint64(request)
	if size%2 == 0 {
		if err := stream.Announce(int64(size)); err != nil {
			return err
		}
	}
	_, err = io.Copy(stream, &patternReader{size: size})
	return err
}

func flip(stream *shm.ServedStream) error {
	all, err := io.ReadAll(stream)
	if err != nil {
		return err
	}
	for i := range all {
		all[i] = ^all[i]
	}
	_, err = stream.Write(all)
	return err
}

func giveBack(stream *shm.ServedStream) error {
	all, err := stream.ReadAll(whole)
	if err != nil {
		return err
	}
	_, err = stream.Write(all)
	return err
}

// ---- Calling ----

type job struct {
	id         uint32
	known      bool
	depth      int
	size       uint64
	abortAfter uint64
	pause      time.Duration
}

var errEnough = errors.New("far enough")

// aborter counts what passes, and fails after so much.
type aborter struct {
	to          io.Writer
	count, most uint64
}

func (a *aborter) Write(from []byte) (int, error) {
	n, err := a.to.Write(from)
	a.count += uint64(n)
	if err == nil && a.most != 0 && a.count >= a.most {
		err = errEnough
	}
	return n, err
}

func (j *job) source() (from io.Reader, size uint64) {
	if j.id == streamProduce {
		var wanted [8]byte
		binary.LittleEndian.PutUint64(wanted[:], j.size)
		return bufio.NewReader(&once{wanted[:]}), 8
	}
	return &patternReader{size: j.size, pause: j.pause}, j.size
}

// once reads some bytes.
type once struct{ left []byte }

func (o *once) Read(to []byte) (int, error) {
	if len(o.left) == 0 {
		return 0, io.EOF
	}
	n := copy(to, o.left)
	o.left = o.left[n:]
	return n, nil
}

func (j *job) run(client *shm.Client) (received uint64, sum uint64, err error) {
	from, size := j.source()
	options := shm.StreamOptions{Depth: j.depth}
	if j.known {
		options.RequestSize = int64(size)
	}
	stream, err := client.Stream(context.Background(), j.id, options)
	if err != nil {
		return 0, 0, err
	}
	var sending sync.WaitGroup
	sending.Add(1)
	go func() {
		defer sending.Done()
		_, err := io.CopyBuffer(&aborter{to: stream, most: j.abortAfter}, from, make([]byte, 1<<16))
		if err == nil {
			err = stream.CloseWrite()
		}
		if err == errEnough {
			stream.Abort("far enough")
		}
	}()
	h := newHash()
	into := &aborter{to: h, most: j.abortAfter}
	_, err = io.Copy(into, stream)
	if err == errEnough {
		stream.Abort("far enough")
		_, err = stream.Read(make([]byte, 1))
		for err == nil {
			_, err = stream.Read(make([]byte, 1<<16))
		}
	}
	if closing := stream.Close(); err == nil {
		err = closing
	}
	sending.Wait()
	return into.count, uint64(*h), err
}

// ---- Lines ----

func answer(client *shm.Client, line string) {
	var j job
	var known string
	var pause int
	var size uint64
	if n, _ := fmt.Sscanf(line, "stream %d %s %d %d %d %d", &j.id, &known, &j.depth, &j.size, &j.abortAfter, &pause); n == 6 {
		j.known, j.pause = known == "known", time.Duration(pause)*time.Microsecond
		received, sum, err := j.run(client)
		fate := shm.Answered
		var failed *shm.CallError
		if errors.As(err, &failed) {
			fate = failed.Fate()
		}
		fmt.Printf("%s fate=%d received=%d hash=%d text=%v\n", statusOf(err), int(fate), received, sum, err)
	} else if n, _ := fmt.Sscanf(line, "expect %d", &size); n == 1 {
		tellHashes(size)
	} else if line == "ends" {
		fmt.Printf("open=%d last=%v\n", atomic.LoadInt32(&openStreams), lastEnd.Load())
	} else {
		fmt.Printf("peak=%d\n", peakOfMemory())
	}
}

func tellHashes(size uint64) {
	plain, flipped := newHash(), newHash()
	buffer := make([]byte, 1<<16)
	for from := (&patternReader{size: size}); ; {
		n, err := from.Read(buffer)
		if err != nil {
			break
		}
		_, _ = plain.Write(buffer[:n])
		for i := range buffer[:n] {
			buffer[i] = ^buffer[i]
		}
		_, _ = flipped.Write(buffer[:n])
	}
	var told [16]byte
	binary.LittleEndian.PutUint64(told[:], size)
	binary.LittleEndian.PutUint64(told[8:], uint64(*plain))
	sum := newHash()
	_, _ = sum.Write(told[:])
	fmt.Printf("plain=%d flipped=%d told=%d\n", uint64(*plain), uint64(*flipped), uint64(*sum))
}

func connect(name, slotsPerWorker string) (*shm.Client, error) {
	slots, err := strconv.Atoi(slotsPerWorker)
	if err != nil {
		return nil, err
	}
	client, err := shm.ConnectContext(context.Background(), name, shm.WithSlotsPerWorker(slots))
	if err != nil {
		return nil, err
	}
	client.HandleMessage(func(*shm.Request, []byte) (int, error) { return 0, shm.ErrUnknownMessage })
	for id, handler := range map[uint32]func(*shm.ServedStream) error{
		streamHash: tellHash, streamProduce: produce, streamFlip: flip, streamWhole: giveBack} {
		limit := int64(0)
		if id == streamWhole {
			limit = whole
		}
		if err := client.HandleStream(id, limit, serve(handler)); err != nil {
			return nil, err
		}
	}
	return client, client.Start()
}

func main() {
	if len(os.Args) < 4 || os.Args[1] != "guest" {
		os.Exit(2)
	}
	lastEnd.Store("SIPC_OK")
	client, err := connect(os.Args[2], os.Args[3])
	if err != nil {
		fmt.Println("failed", statusOf(err))
		os.Exit(1)
	}
	fmt.Println("ready")
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		answer(client, lines.Text())
	}
	_ = client.Close()
	_ = client.Wait()
	fmt.Println("ended")
}
