// SPDX-License-Identifier: Apache-2.0

// Package shm answers calls from another process over shared memory, for nearly the price of a cache
// miss. The other process is a SimpleIPC host, written in C, C++ or any language that follows the wire
// protocol, docs/spec/protocol.md; this one is its guest. It is pure Go.
//
// A host creates a region with a fixed pool of slots. A guest attaches to it and serves slots, each with a
// goroutine of its own unless told otherwise:
//
//	client, err := shm.Connect("MyIPC")
//	if err != nil {
//		log.Fatal(err)
//	}
//	defer client.Close()
//	client.Handle(func(req []byte, respBuf []byte) uint32 {
//		return uint32(copy(respBuf, req)) // echo
//	})
//	if err := client.Start(); err != nil {
//		log.Fatal(err)
//	}
//	log.Print(client.Wait()) // until the host closes, a shutdown message comes, or Close is called
//
// # Handlers
//
// The buffer for the response lies in shared memory, and the request too unless it is small: nothing is
// allocated, and neither may be used after the handler returned. A handler runs in as many goroutines at once
// as there are workers. It may take as long as it likes, block and start goroutines. What it panics with reaches
// the caller as an error, and the worker lives on. See MessageHandler for handlers that want the message id
// or return errors.
//
// Request.Context tells a handler when its caller will give up, and that it has. A handler that calls Request.Later leaves
// the answer to whoever calls Pending.Respond, from any goroutine, and returns: a long job does not hold a worker. See
// docs/asynchronous.md.
//
// Workers are ordinary goroutines, from Start to the end. Each serves one slot, so that no request waits for
// another's handler; for a host that keeps many requests in flight WithSlotsPerWorker gives it several, which it
// serves in turn and for which it is woken once. A handler that needs one thread
// for itself, for the sake of a C library, calls runtime.LockOSThread in its first request; the Go
// scheduler then makes each wait that does not end at once some twenty microseconds longer.
//
// # Calls
//
// A host that has guest slots can be called: Client.Call sends a request and waits for the response, from any goroutine,
// also from inside a handler. Its error tells the request's fate: whether a handler may have seen it. See WithCallSlots,
// and WithCallsOnly for a client that serves nothing:
//
//	response := make([]byte, 1024)
//	size, err := client.Call(ctx, shm.MessageNormal, []byte("hello"), response)
//
// Client.Pipeline keeps many requests in flight from one goroutine, which reaps their completions in any order; an
// AsyncCaller completes each call by a channel of its own, for select:
//
//	caller, err := client.AsyncCaller(ctx, 16)
//	first := caller.Go(ctx, shm.MessageNormal, request, response)
//	completion := <-first
//
// # Messages in place
//
// Call copies its request and its response. Client.Acquire gives the buffer of a slot instead, to build the request there
// and to read the response where it stands; InPlace does the same for handlers. Both know what is built from the end of
// its buffer downwards, as FlatBuffers are. StructFor and StructIn are for plain structs. See docs/zero-copy.md.
//
// # Waiting
//
// A worker spins, then yields, then sleeps, as its WaitPolicy says and as lately paid. When nothing happens it
// sleeps in the kernel and costs nothing.
//
// Other goroutines share the processors with workers as with any goroutine that computes: a worker that is
// called all the time is preempted by the runtime, after some ten milliseconds if GOMAXPROCS is 1. Beside goroutines that
// compute, a worker's yields cost such time slices; it notices, and sleeps instead.
//
// # Several guests, restarts
//
// Guests may share a region's slots; see WithWorkers. When a guest's process ends, however it ends, the
// kernel frees its slots, and the next guest that attaches takes them over. A request that the dead guest had
// begun is never handled twice: its caller is told that it may have been executed.
//
// When the host's process ends without closing the region, the kernel says so at once, and Wait returns
// ErrPeerDied. With the option WithReconnect it waits for the next host instead, and serves on.
//
// # Trust
//
// The host is checked, not trusted: whatever it writes into the region, this package stays within the bounds
// of its buffers, and a host that cuts the region's object short ends the client with ErrRegionLost and not the
// process. But payloads may change while a handler reads them, and goroutines that a handler starts are not
// guarded; see MessageHandler. By default only a region of the same user is accepted.
//
// A sealed region, see WithSealedFolder, has no name that somebody could squat and a size that nobody can change. Its
// host hands it, over a socket, to the programs of its own user and of those that it names.
//
// # Event backends
//
// The host chooses how the sides wake each other. Futexes, the default, need nothing. POSIX named
// semaphores need cgo: a program built without it gets ErrBackendUnsupported from Connect. On Windows there are events,
// which need nothing.
package shm
