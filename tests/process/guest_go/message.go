// SPDX-License-Identifier: Apache-2.0

package main

import "encoding/binary"

// What the hosts and guests of the process tests say to each other; message.h tells all of it.
const (
	messageNormal         = 0
	messageFail           = 129
	messagePanic          = 130
	messageGoexit         = 131
	messageOversize       = 132
	messageUnknown        = 133
	messageAnnounce       = 134
	messageExecutions     = 135
	messageChanges        = 136
	messageDeadline       = 137
	messageUntilCancelled = 138

	stampedSizeBits = 0x0FFFFFFF
	failureText     = "refused by the handler"

	stampSize          = 8
	stampWithSleepSize = 12
	requestHeadSize    = 12
	responseHeadSize   = 16

	countedCallers   = 16
	countedSequences = 65536
)

func isStamped(messageID uint32) bool { return messageID>>28 == 1 || messageID == messageAnnounce }

// hash is FNV-1a.
func hash(data []byte) uint64 {
	h := uint64(0xcbf29ce484222325)
	for _, b := range data {
		h = (h ^ uint64(b)) * 0x100000001b3
	}
	return h
}

// fillResponse writes the answer to a stamped request.
func fillResponse(to, request []byte, seed uint64) {
	var head [responseHeadSize]byte
	if len(request) > stampSize {
		request = request[:stampSize]
	}
	copy(head[:], request)
	binary.LittleEndian.PutUint64(head[stampSize:], seed)
	copy(to, head[:])
	for i := responseHeadSize; i < len(to); i++ {
		to[i] = byte(seed>>(i%8*8)) + byte(i*31)
	}
}
