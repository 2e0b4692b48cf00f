// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"time"

	shm "github.com/xll-gen/shm/go"
)

// What is asked for, and what is told, as common/control.h lays it down.
const (
	messageErrand  = 129 // asks the handler to call the host, and to tell how long it took
	errandSize     = 16
	errandMost     = 4096
	errandRequests = 4
	errandCompared = 8   // bytes of a response
	errandWarmUp   = 100 // round trips before those that are timed
)

// errand calls the host as often as it says, one call after the other.
func errand(client *shm.Client, asked, response []byte) (int, error) {
	if len(asked) != errandSize {
		return 0, errors.New("that is not an errand")
	}
	trips, size := binary.LittleEndian.Uint64(asked), binary.LittleEndian.Uint32(asked[8:])
	if size > errandMost || binary.LittleEndian.Uint32(asked[12:]) != 0 {
		return 0, errors.New("an errand of that size, or by a session, is not for a Go guest")
	}
	var requests [errandRequests][]byte
	for r := range requests {
		requests[r] = make([]byte, size)
		for i := range requests[r] {
			requests[r][i] = byte(i*7 + r*61 + 1)
		}
	}
	answer, ctx, result := make([]byte, size), context.Background(), int32(0)
	var began time.Time
	for i := uint64(0); i < errandWarmUp+trips && result == 0; i++ {
		if i == errandWarmUp {
			began = time.Now()
		}
		request := requests[i%errandRequests]
		n, err := client.Call(ctx, shm.MessageNormal, request, answer)
		if err != nil {
			return 0, err
		}
		if n != len(request) || !bytes.Equal(answer[:errandCompared], request[:errandCompared]) {
			result = 1
		}
	}
	binary.LittleEndian.PutUint64(response, uint64(time.Since(began)))
	binary.LittleEndian.PutUint64(response[8:], uint64(uint32(result)))
	return errandSize, nil
}
