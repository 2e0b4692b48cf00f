// SPDX-License-Identifier: Apache-2.0

package shm

// The region's layout: every offset, size and code of the wire protocol (spec, sections 2 to 6)
// stands in this file and nowhere else. Each constant bears its name in docs/spec/constants.txt,
// and each struct below is one line of the region, its fields in their places; a test compares
// both against that table.

// Sizes, limits and places.
const (
	magic        = 0x4350494C504D4953 // the bytes "SIMPLIPC"
	versionMajor = 1
	versionMinor = 0

	lineSize           = 64
	exchangeHeaderSize = 64
	slotHeaderSize     = 128
	tailSize           = 1152
	hostLine           = 64
	slotsOffset        = 128
	tinyCapacity       = 48 // bytes of payload that the turn line carries
	tinyNamedCapacity  = 44 // the same of a request with a message id of its own

	maxSlots    = 65535
	maxCapacity = 1<<31 - 64
	maxName     = 128

	maxGuestName = 40
)

// Counters (spec, section 2.6).
const (
	histogramBuckets   = 24
	histogramFirstBits = 6    // the first bucket counts what is below 2^6 ns
	sampleInterval     = 1024 // exchanges whose generation is a multiple of it are timed
)

// Event backends: how a sleeping side is woken.
const (
	backendFutex        = 1
	backendSemaphore    = 2
	backendWindowsEvent = 3
)

// State words: generation << generationShift | flag | code.
const (
	generationShift = 3

	codeIdle      = 0 // caller: no exchange yet
	codeRequest   = 1 // caller: request g stands in the slot
	codeCancelled = 2 // caller: gave up on request g
	codeClosed    = 3 // caller: left for good
	flagTiny      = 4 // caller: the request's payload stands in the turn line

	codeNone     = 0 // responder: nothing answered yet
	codeResponse = 1 // responder: response g stands in the slot
	flagAttended = 4 // responder: somebody serves this slot
)

// flagAtEnd of a request's flags and a response's: the payload is the last bytes of its buffer's room.
const flagAtEnd = 1

// What a waiting word says: 0 if the side does not sleep, else where it does (spec, section 7.1).
const (
	waitingAlone     = 1 // on the slot's own event
	waitingFirstLead = 2 // plus s: on the bell of slot s
)

// Message ids. A handler gets MessageNormal and every id from MessageFirstUser on; the library
// answers heartbeats and shutdown itself, and the ids between are reserved.
const (
	MessageNormal            = 0
	MessageHeartbeatRequest  = 1
	MessageHeartbeatResponse = 2
	MessageShutdown          = 3
	MessageFirstUser         = 128

	// Of streams; no call of an application carries them (spec, section 13).
	messageStreamOpen = 4
	messageStreamData = 5
	messageStreamNext = 6
	messageStreamEnd  = 7
)

// Status of a response.
const (
	answerOK               = 0
	answerHandlerFailed    = 1
	answerResponseTooLarge = 2
	answerUnknownMessage   = 3
	answerBadRequest       = 4
	answerNotExecuted      = 5
	answerResponderDied    = 6
	answerNotAddressed     = 7
)

// Claims are bytes of the object: the host's, then one for each slot's responder, and far behind them the name's.
const (
	claimHost      = 0
	claimFirstSlot = 1
	claimName      = 0x40000000
)

// A transport id: the slot's index + 1, the count of requests in the slot, and of a tiny message what its
// payload is.
const (
	transportIDSlotShift  = 48
	transportIDCountShift = 7
	transportIDNamed      = 64 // a tiny request has a message id of its own
	transportIDSizeMask   = 63
)

// How a sealed region is handed over (spec, section 12).
const (
	handoverSize    = 16
	handoverGiven   = 0
	handoverRefused = 1

	maxSocketPath = 107
	overflowUser  = 65534 // what a user id reads as that means nothing in this user namespace
)

// Streams: sizes, limits and codes (spec, section 13).
const (
	streamMaxSize     = 1 << 40 // bytes of a request or of a response
	streamUnknownSize = 1<<64 - 1
	streamMaxWindow   = 64
	streamPiece       = 64 // where the bytes of a piece begin in its payload
	streamMaxText     = 256

	streamOpenSize   = 32
	streamNextSize   = 8
	streamEndText    = 16
	streamAnswerText = 16

	streamLast   = 1 // flag: the message ends with this piece
	streamEnough = 2 // flag: the handler takes no more of the request

	streamFinished = 0 // reason of an end: the whole response was received
	streamAborted  = 1

	streamOk               = 0
	streamHandlerFailed    = 1
	streamUnknownStream    = 2
	streamNoHandler        = 3
	streamTooMany          = 4
	streamTooLarge         = 5
	streamBroken           = 6
	streamOutOfMemory      = 7
	streamResponseTooLarge = 8
)

// exchangeHeader is the region's first line, written by the host, once.
type exchangeHeader struct {
	magic            uint64
	version          uint32 // atomic; written last, with release
	eventBackend     uint32
	hostSlots        uint32
	guestSlots       uint32
	requestCapacity  uint32
	responseCapacity uint32
	regionSize       uint64
	slotsOffset      uint64
	slotSize         uint64
	tailOffset       uint64
}

// hostFields is the host line, at hostLine.
type hostFields struct {
	incarnation  uint64
	pid          uint32
	_            uint32
	pidNamespace uint64
	closing      uint32 // atomic
	_            [36]byte
}

// firstLines is what stands before the slots.
type firstLines struct {
	header exchangeHeader
	host   hostFields
}

// turnLine is a slot's first line. Beside the state words its fields belong to the side whose turn it
// is: the caller's until it publishes a request, and the responder's only for a tiny request that it
// has begun, until it publishes the response. This is its form for a tiny message.
type turnLine struct {
	callerState uint32 // atomic; written by the caller
	tinyState   uint32 // atomic; written by the responder
	transportID uint64 // of the request; in a response its complement
	tinyPayload [tinyCapacity]byte
}

// namedTurnLine is the same line's form for a tiny request with a message id of its own.
type namedTurnLine struct {
	_             [lineSize - 4]byte
	tinyMessageID uint32
}

// ordinaryTurnLine is the same line's form for a request that is not tiny.
type ordinaryTurnLine struct {
	_         [16]byte
	size      uint32
	messageID uint32
	flags     uint32
	_         [36]byte
}

// responderLine is a slot's second line, written by its responder.
type responderLine struct {
	state       uint32 // atomic
	waiting     uint32 // atomic
	transportID uint64
	size        uint32
	messageID   uint32
	status      uint32
	flags       uint32
	attendance  uint32 // atomic; stands for who serves the slot
	_           [28]byte
}

// slotHeader is what stands before a slot's buffers.
type slotHeader struct {
	turn      turnLine
	responder responderLine
}

// ownerLine is written by the slot's responder alone and never waited on.
type ownerLine struct {
	started      uint32 // atomic
	pid          uint32
	incarnation  uint64
	pidNamespace uint64
	name         [maxGuestName]byte
}

// annexLine is written by the slot's caller alone and never waited on.
type annexLine struct {
	deadline uint64
	traceID  uint64
	// Counts of rings; a side that waits for several slots sleeps here (spec, section 7.1).
	callerBell    uint32
	responderBell uint32
	callerWaiting uint32 // atomic; says where the caller sleeps
	addressee     uint32 // atomic; the attendance of who alone may handle the requests, or 0
	_             [32]byte
}

// callerCounters are a slot's caller's: atomic numbers, read by anybody. What is written with each call stands in
// one line, with lines that its writer seldom writes on either side.
type callerCounters struct {
	roundTrip        [histogramBuckets]uint64
	wake             [histogramBuckets]uint64
	handlerFailed    uint64
	responseTooLarge uint64
	unknownMessage   uint64
	timedOut         uint64
	peerDied         uint64
	closed           uint64
	maybeExecuted    uint64
	protocolViolated uint64
	calls            uint64
	requestBytes     uint64
	responseBytes    uint64
	publishedAt      uint64
	spinNs           uint64
	yieldNs          uint64
	sleepNs          uint64
	sleeps           uint64
}

// responderCounters are the same of its responder.
type responderCounters struct {
	handlerFailed    uint64
	responseTooLarge uint64
	unknownMessage   uint64
	badRequest       uint64
	notExecuted      uint64
	inherited        uint64
	_                [2]uint64
	requests         uint64
	requestBytes     uint64
	responseBytes    uint64
	answeredAt       uint64
	spinNs           uint64
	yieldNs          uint64
	sleepNs          uint64
	sleeps           uint64
	queue            [histogramBuckets]uint64
	service          [histogramBuckets]uint64
}

// slotTail is what a slot has behind all slots.
type slotTail struct {
	owner             ownerLine
	annex             annexLine
	callerCounters    callerCounters
	responderCounters responderCounters
}

// roundToLine is the next multiple of a line's size; n is far below 2^64.
func roundToLine(n uint64) uint64 { return (n + lineSize - 1) &^ (lineSize - 1) }

// slotSizeFor is the distance from one slot to the next.
func slotSizeFor(requestCapacity, responseCapacity uint32) uint64 {
	return slotHeaderSize + roundToLine(uint64(requestCapacity)) + roundToLine(uint64(responseCapacity))
}

// responseBufferOffset is where the response buffer starts, counted from its slot.
func responseBufferOffset() uint64 { return slotHeaderSize }

// requestBufferOffset is where the request buffer starts, counted from its slot.
func requestBufferOffset(responseCapacity uint32) uint64 {
	return slotHeaderSize + roundToLine(uint64(responseCapacity))
}

// wordFor makes a state word out of a generation and a code with its flag.
func wordFor(generation, code uint32) uint32 { return generation<<generationShift | code }

// generationOf is the exchange that a state word speaks of.
func generationOf(word uint32) uint32 { return word >> generationShift }

// callerCode is what a caller's word says of its generation.
func callerCode(word uint32) uint32 { return word & (flagTiny - 1) }

// unattended is a responder's word without its flag, fit to be compared.
func unattended(word uint32) uint32 { return word &^ flagAttended }

// messageBits are the low bits of a transport id, which belong to the message and do not tell requests
// apart.
func messageBits(transportID uint64) uint32 {
	return uint32(transportID & (transportIDNamed | transportIDSizeMask))
}

// withoutMessageBits is what tells a request from others.
func withoutMessageBits(transportID uint64) uint64 {
	return transportID &^ (transportIDNamed | transportIDSizeMask)
}

// ownTransportID is the id of the request in a turn line of that slot, in which the complement may
// stand already: the high bits, slot index + 1, are never those of the complement. From a complement comes
// all but the low bits, which no caller looks at.
func ownTransportID(slot int, found uint64) uint64 {
	if found>>transportIDSlotShift == uint64(slot)+1 {
		return found
	}
	return ^found
}

// handover is the message that comes with a sealed region.
type handover struct {
	magic  uint64
	answer uint32
	_      uint32
}

// streamOpen is the payload of messageStreamOpen.
type streamOpen struct {
	requestSize   uint64
	responseLimit uint64
	messageID     uint32
	window        uint32
	_             uint64
}

// streamData stands before the bytes of a piece of the request.
type streamData struct {
	stream uint64
	offset uint64
	flags  uint32
	_      [streamPiece - 20]byte
}

// streamNext is the payload of messageStreamNext.
type streamNext struct {
	stream uint64
}

// streamEnd stands before the text of messageStreamEnd.
type streamEnd struct {
	stream uint64
	reason uint32
	_      uint32
}

// streamAnswer stands before the bytes of a piece of the response. An answer without one is shorter.
type streamAnswer struct {
	outcome      uint32
	flags        uint32
	value        uint64
	responseSize uint64
	_            [streamPiece - 24]byte
}
