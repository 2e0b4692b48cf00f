// SPDX-License-Identifier: Apache-2.0

package shm

import "context"

// AsyncCaller starts calls of the host that complete later, each by a channel of its own or many by one. It owns a pipeline, and one goroutine that
// reaps; that costs nothing while no call is in flight.
//
// All methods may be called from several goroutines at a time.
type AsyncCaller struct {
	pipeline *Pipeline
	started  chan struct{} // a token: a call was
	ended    chan struct{} // closed when all calls are completed
}

// AsyncCaller opens one that can have so many calls in flight, in as many of the client's guest slots; see Pipeline for
// ctx and the errors. The caller of this owns it and ends it with Close; it ends by itself with the client and the host.
func (c *Client) AsyncCaller(ctx context.Context, depth int) (*AsyncCaller, error) {
	pipeline, err := c.Pipeline(ctx, depth)
	if err != nil {
		return nil, err
	}
	a := &AsyncCaller{pipeline: pipeline, started: make(chan struct{}, 1), ended: make(chan struct{})}
	go a.reap()
	return a, nil
}

// Go starts a call: Call, whose outcome comes on the channel, once. It waits for room if as many calls as the depth are in
// flight, as long as ctx is not done and at most until its deadline or for the time of WithCallTimeout; what kept it from
// being sent comes on the channel, too. The response is copied into the second slice, which belongs to the call until then
// and may be the first.
func (a *AsyncCaller) Go(ctx context.Context, messageID uint32, request, response []byte) <-chan Completion {
	return a.start(ctx, Submission{MessageID: messageID, Request: request, Response: response}, (*Pipeline).SubmitWait)
}

// TryGo is Go, but does not wait for room: that is ErrAllSlotsBusy, on the channel.
func (a *AsyncCaller) TryGo(ctx context.Context, messageID uint32, request, response []byte) <-chan Completion {
	return a.start(ctx, Submission{MessageID: messageID, Request: request, Response: response}, (*Pipeline).Submit)
}

// Submit starts a call whose completion comes on that channel, with the submission's Tag: one channel for many calls, to be
// selected on with others. It does not wait for room. After an error, which is one of Pipeline.Submit, nothing will come;
// ErrInvalidArgument also if the channel has no buffer.
//
// Let the channel have room for all that is open. One that is full holds up the completions of all calls, and Close, until
// somebody receives.
func (a *AsyncCaller) Submit(ctx context.Context, submission Submission, completions chan<- Completion) error {
	if cap(completions) == 0 {
		return callError(ErrInvalidArgument, NotStarted, nil, "the channel has no room for a completion; give it a buffer")
	}
	submission.reply = completions
	if err := a.pipeline.Submit(ctx, submission); err != nil {
		return err
	}
	a.wake()
	return nil
}

func (a *AsyncCaller) start(ctx context.Context, submission Submission,
	submit func(*Pipeline, context.Context, Submission) error) <-chan Completion {
	reply := make(chan Completion, 1) // who reaps never waits for who hears of it
	submission.reply = reply
	if err := submit(a.pipeline, ctx, submission); err != nil {
		reply <- Completion{Err: err}
		return reply
	}
	a.wake()
	return reply
}

// wake tells the goroutine that reaps of a call.
func (a *AsyncCaller) wake() {
	select {
	case a.started <- struct{}{}:
	default: // it will look anyway
	}
}

// Close gives up the calls in flight, which complete with ErrClosed or ErrClosedMaybeExecuted if there is no response. It
// returns when all have. Calling it twice does no harm.
func (a *AsyncCaller) Close() {
	a.pipeline.Close()
	<-a.ended
}

// InFlight is how many calls are not completed.
func (a *AsyncCaller) InFlight() int { return a.pipeline.InFlight() }

// reap is the goroutine that hears of the completions.
func (a *AsyncCaller) reap() {
	defer close(a.ended)
	completions := make([]Completion, a.pipeline.Depth())
	for {
		n, err := a.pipeline.Reap(context.Background(), completions)
		if err != nil {
			return
		}
		for i := range completions[:n] {
			reply := completions[i].reply
			completions[i].reply = nil
			reply <- completions[i]
			completions[i] = Completion{}
		}
		if n > 0 {
			continue
		}
		select {
		case <-a.started:
		case <-a.pipeline.over:
		}
	}
}
