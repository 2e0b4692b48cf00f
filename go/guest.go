// SPDX-License-Identifier: Apache-2.0

package shm

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"
)

// Client is a guest: an attachment to a host's region and the slots of it that this process serves.
//
// All methods may be called from several goroutines at a time. On a nil Client, as Connect returns it
// beside an error, Handle, HandleMessage and Close do nothing, and Start and Wait return an error.
type Client struct {
	name     string
	settings settings
	handler  unsafe.Pointer // atomic; to a MessageHandler

	streams *streamTable // not changed after Start; nil: takes none

	closing context.Context // done once Close was called
	cancel  context.CancelFunc

	calls    atomic.Value // the present attachment's *pool
	renewing sync.Mutex   // held by who waits for the next host
	mutex    sync.Mutex   // guards what follows
	started  bool
	now      *attachment
}

// Connect attaches to the region that a host of that name created, and claims every slot that no other
// guest serves. It waits up to DefaultAttachTimeout for the host; see ConnectContext for the errors.
func Connect(name string) (*Client, error) {
	return ConnectContext(context.Background(), name)
}

// ConnectContext is Connect with options. It waits for the host until the attach timeout passes or ctx
// is done; afterwards ctx has no effect on the client.
//
// The caller owns the client and ends it with Close. Nothing is served before Start.
//
// Errors: ErrBadName, ErrInvalidArgument (an option), ErrNoHost (also ctx.Err() if that was why),
// ErrNotARegion, ErrVersionMismatch, ErrBadGeometry, ErrBackendUnsupported, ErrForbidden, ErrNoSlot,
// ErrRegionLost, ErrSystem. See the spec's sections 8 and 9.
func ConnectContext(ctx context.Context, name string, options ...Option) (*Client, error) {
	s, err := settingsOf(options)
	if err != nil {
		return nil, err
	}
	if err := checkName(name); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, noHost(name, &notReady{"nobody looked for it"}, "the context ended before", err)
	}
	c := &Client{name: name, settings: s}
	c.HandleMessage(nil)
	if c.now, err = c.awaitHost(ctx, s.attachTimeout); err != nil {
		return nil, err
	}
	c.calls.Store(c.now.calls)
	c.closing, c.cancel = context.WithCancel(context.Background())
	return c, nil
}

// forever is longer than any process lives.
const forever = time.Duration(math.MaxInt64)

// awaitHost attaches as soon as there is a host to attach to.
func (c *Client) awaitHost(ctx context.Context, limit time.Duration) (*attachment, error) {
	// No timer runs that long: even a stopped one would wake the idle process once.
	deadline := time.Now().Add(limit)
	for pause := time.Millisecond; ; pause = nextPause(pause) {
		a, err := newAttachment(ctx, c, deadline)
		var waitFor *notReady
		if !errors.As(err, &waitFor) {
			return a, err
		}
		left := time.Until(deadline)
		if left <= 0 {
			return nil, noHost(c.name, waitFor, fmt.Sprintf("waited %v", limit), nil)
		}
		if left > pause {
			left = pause
		}
		retry := time.NewTimer(left)
		select {
		case <-ctx.Done():
			retry.Stop()
			return nil, noHost(c.name, waitFor, "the context ended", ctx.Err())
		case <-retry.C:
		}
	}
}

// nextPause keeps the wait for a host that comes soon short and for one that comes late cheap.
func nextPause(last time.Duration) time.Duration {
	if last >= 25*time.Millisecond {
		return 50 * time.Millisecond
	}
	return 2 * last
}

func noHost(name string, waitedFor *notReady, why string, cause error) error {
	return &failure{ErrNoHost, fmt.Sprintf("%q: %s (%s); start the host or wait longer",
		name, waitedFor.reason, why), cause}
}

// Handle sets the handler of all requests: it writes the response into respBuf and returns how many bytes
// it wrote. Both slices lie in shared memory and are valid until it returns. More bytes than
// len(respBuf) reach the caller as the status RESPONSE_TOO_LARGE; a panic reaches it as HANDLER_FAILED. As
// MessageHandler, it runs in one goroutine per slot. A later call of Handle or HandleMessage replaces the
// handler, also while the client serves; nil refuses requests as UNKNOWN_MESSAGE.
func (c *Client) Handle(handler func(req []byte, respBuf []byte) uint32) {
	if handler == nil {
		c.HandleMessage(nil)
		return
	}
	c.HandleMessage(plain(handler))
}

// HandleMessage is Handle for a handler that gets the whole Request and may return an error.
func (c *Client) HandleMessage(handler MessageHandler) {
	if c != nil {
		atomic.StorePointer(&c.handler, unsafe.Pointer(&handler))
	}
}

func (c *Client) currentHandler() MessageHandler {
	return *(*MessageHandler)(atomic.LoadPointer(&c.handler))
}

// Slots is the number of slots that the client serves.
func (c *Client) Slots() int {
	if c == nil {
		return 0
	}
	return c.attachment().slotCount()
}

// attachment is the present one; never nil.
func (c *Client) attachment() *attachment {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	return c.now
}

// Start begins to serve, with one goroutine for each slot. When it returns, the host sees that the slots
// are attended. Errors: ErrInvalidArgument without a handler, ErrBusy if it was started before, ErrClosed
// after Close, ErrRegionLost, ErrSystem.
func (c *Client) Start() error {
	if c == nil {
		return errNilClient
	}
	c.mutex.Lock()
	defer c.mutex.Unlock()
	switch {
	case c.closing.Err() != nil:
		return &failure{ErrClosed, "the client was closed; connect anew", nil}
	case c.started:
		return &failure{ErrBusy, "the client was started before; start it once", nil}
	case c.settings.callsOnly:
		return &failure{ErrInvalidArgument, "the client only calls; connect without WithCallsOnly to serve", nil}
	case c.currentHandler() == nil:
		return &failure{ErrInvalidArgument, "there is no handler; call Handle or HandleMessage first", nil}
	}
	err := c.now.start()
	c.started = err == nil
	return err
}

// Wait waits until every worker has ended and returns why: nil after Close, a shutdown message or the
// orderly end of the host; ErrPeerDied if the host's process is gone; ErrRegionLost if somebody
// cut the region's object short; ErrSystem if the system ended a worker. A handler that runs is waited for.
// With the option WithReconnect it does not return at the host's end, but attaches to the next host and
// waits on; it then also returns what ConnectContext returns. It must not be called from a handler, which it
// would wait for. Errors: also ErrInvalidArgument before Start.
func (c *Client) Wait() error {
	if c == nil {
		return errNilClient
	}
	for {
		c.mutex.Lock()
		a, unused := c.now, !c.started && c.closing.Err() == nil
		c.mutex.Unlock()
		if unused {
			return &failure{ErrInvalidArgument, "the client was not started; call Start first", nil}
		}
		<-a.done
		if !c.settings.reconnect || !a.hostIsGone() || c.closing.Err() != nil {
			return a.problem()
		}
		if err := c.attachAnew(a); err != nil {
			if c.closing.Err() != nil {
				return nil
			}
			return err
		}
	}
}

// attachAnew replaces an attachment whose host is gone by one to the next host, unless another Wait has
// done so, and serves on.
func (c *Client) attachAnew(old *attachment) error {
	c.renewing.Lock()
	defer c.renewing.Unlock()
	if c.attachment() != old {
		return nil
	}
	a, err := c.awaitHost(c.closing, forever)
	if err != nil {
		return err
	}
	c.mutex.Lock()
	defer c.mutex.Unlock()
	// Close cancels, then takes the mutex: either it is seen here or it finds the new attachment.
	if err = c.closing.Err(); err == nil {
		err = a.start()
	}
	if err != nil {
		a.end(errStopped)
		return err
	}
	c.now = a
	c.calls.Store(a.calls)
	return nil
}

// Close ends the workers and gives the slots back. It returns when every worker has left except those
// inside a handler; such a one leaves when its handler returns, after answering the request, and the last
// to leave unmaps the region. So it may be called from a handler. Calling it twice, or from several
// goroutines, does no harm. It returns what went wrong before or meanwhile, as Wait does, else nil.
func (c *Client) Close() error {
	if c == nil {
		return nil
	}
	c.cancel()
	a := c.attachment()
	a.end(errStopped)
	<-a.quiet
	return a.problem()
}

var errNilClient = &failure{ErrInvalidArgument, "the client is nil: Connect failed, and its error says why", nil}
