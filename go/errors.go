// SPDX-License-Identifier: Apache-2.0

package shm

import "errors"

// Errors of this package, to be recognised with errors.Is. What a function returns wraps one of
// them in a text that names the value at fault and what to do. Each bears the name that the
// status has in C, as ErrNoHost for SIPC_NO_HOST.
var (
	// ErrInvalidArgument: an argument or an option is out of its range, or a method was called
	// on a nil client or before the one that it needs.
	ErrInvalidArgument = errors.New("shm: an argument is invalid")
	// ErrBadName: the name breaks the rules of the spec's section 9.
	ErrBadName = errors.New("shm: the region's name is invalid")
	// ErrSystem: a system call failed; the error wraps the system's own text.
	ErrSystem = errors.New("shm: a system call failed")
	// ErrNoHost: until the attach timeout no live host had a complete region of that name.
	ErrNoHost = errors.New("shm: there is no host of this name")
	// ErrNotARegion: the object of that name does not begin with SimpleIPC's magic number.
	ErrNotARegion = errors.New("shm: the object of this name is not a SimpleIPC region")
	// ErrVersionMismatch: the region's protocol version is not one that this package speaks.
	ErrVersionMismatch = errors.New("shm: the region's protocol version is not supported")
	// ErrBadGeometry: a count, size or offset of the region contradicts the others.
	ErrBadGeometry = errors.New("shm: the region's geometry is invalid")
	// ErrBackendUnsupported: the host chose an event backend that this program cannot use, as
	// semaphores in a build without cgo.
	ErrBackendUnsupported = errors.New("shm: the event backend is not supported here")
	// ErrForbidden: the region belongs to another user, or the system refuses access to it.
	ErrForbidden = errors.New("shm: the region belongs to another user")
	// ErrNoSlot: every slot of the region is served already.
	ErrNoSlot = errors.New("shm: no slot is left to serve")
	// ErrBusy: the client was started already.
	ErrBusy = errors.New("shm: the object is in use")
	// ErrClosed: the client was closed, by Close or by the end of its workers.
	ErrClosed = errors.New("shm: closed before the request was started")
	// ErrPeerDied: the host's process is gone, and it had not closed its region.
	ErrPeerDied = errors.New("shm: the peer process is gone; the request was not started")
	// ErrRegionLost: somebody cut the region's object short, so that its memory is gone.
	ErrRegionLost = errors.New("shm: the region's memory was taken away")
	// ErrUnknownMessage: to be returned by a MessageHandler for a message id that it does not
	// know; the caller then gets the status of that name.
	ErrUnknownMessage = errors.New("shm: the guest does not handle this message id")
	// ErrAllSlotsBusy: no slot became free before the call was over.
	ErrAllSlotsBusy = errors.New("shm: no slot became free before the deadline")
	// ErrBadMessageID: the message id is reserved.
	ErrBadMessageID = errors.New("shm: the message id is reserved")
	// ErrRequestTooLarge: the request is larger than a slot takes.
	ErrRequestTooLarge = errors.New("shm: the request is larger than its buffer")
	// ErrResponseTooLarge: the host's handler returned more than a slot takes.
	ErrResponseTooLarge = errors.New("shm: the response is larger than the slot's buffer")
	// ErrBufferTooSmall: the response is larger than the slice given for it.
	ErrBufferTooSmall = errors.New("shm: the response is larger than the buffer given for it")
	// ErrHandlerFailed: the host's handler reported an error; its text is part of this one's.
	ErrHandlerFailed = errors.New("shm: the guest's handler reported an error")
	// ErrProtocolViolated: the host broke the protocol.
	ErrProtocolViolated = errors.New("shm: the peer broke the protocol")
	// ErrTimeout: the call was over, by a deadline or its context, and the request was not started.
	ErrTimeout = errors.New("shm: the deadline passed before the request was started")
	// ErrTimeoutMaybeExecuted: the same, but a handler had begun it.
	ErrTimeoutMaybeExecuted = errors.New("shm: the deadline passed; the request may have been executed")
	// ErrClosedMaybeExecuted: the client or the host was closed while a handler had the request.
	ErrClosedMaybeExecuted = errors.New("shm: closed; the request may have been executed")
	// ErrPeerDiedMaybeExecuted: the host died while a handler had the request.
	ErrPeerDiedMaybeExecuted = errors.New("shm: the peer process is gone; the request may have been executed")
	// ErrStreamAborted: the caller aborted the stream.
	ErrStreamAborted = errors.New("shm: the stream was aborted by its caller")
	// ErrStreamLost: the other side does not know the stream any more; it may have been executed.
	ErrStreamLost = errors.New("shm: the other side does not know the stream any more")
	// ErrRegionLostMaybeExecuted: the same after the request was sent.
	ErrRegionLostMaybeExecuted = errors.New("shm: the region's memory was taken away; the request may have been executed")
)

// failure is a sentinel with the text of one occasion and, if there is one, the error beneath it.
type failure struct {
	kind  error
	text  string
	cause error
}

func (f *failure) Error() string {
	text := f.kind.Error() + ": " + f.text
	if f.cause != nil {
		text += ": " + f.cause.Error()
	}
	return text
}

func (f *failure) Is(target error) bool { return target == f.kind }

func (f *failure) Unwrap() error { return f.cause }

// systemError is for what the system refused.
func systemError(what string, err error) error { return &failure{ErrSystem, what, err} }
