// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"sync/atomic"
	"time"
	"unsafe"

	bare "github.com/xll-gen/shm/experiments/pingpong/go"
	"golang.org/x/sys/unix"
)

// What the two processes share beside the library's region, as common/control.h lays it down.
const (
	blockMagic    = 0x32424953
	readyOffset   = 4
	nameOffset    = 8
	nameSize      = 24
	startOffset   = 32
	throughOffset = 68
	bareOffset    = 4096

	// messageInPlace asks the handler to answer in place.
	messageInPlace = 128
	// messageErrand asks the handler to call the host, and to tell how long it took.
	messageErrand = 129
)

type block []byte

func mapBlock(descriptor int) (block, error) {
	b, err := unix.Mmap(descriptor, 0, bareOffset+bare.RegionBytes,
		unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_POPULATE)
	if err != nil {
		return nil, fmt.Errorf("the benchmark's shared block: %w", err)
	}
	if *(*uint32)(unsafe.Pointer(&b[0])) != blockMagic {
		return nil, errors.New("the benchmark's shared block: host and guest are of different versions")
	}
	return b, nil
}

// started tells what the start took. How much private memory it took is not told: the runtime grows
// its own when it likes.
func (b block) started(attach, workers time.Duration) {
	start := (*[2]uint64)(unsafe.Pointer(&b[startOffset]))
	start[0], start[1] = uint64(attach), uint64(workers)
}

// writesThrough says whether the handler writes the response where it goes, as that of the bare pipelines does,
// or into private memory, from where it is copied, as that of the bare limit.
func (b block) writesThrough() bool {
	return *(*uint32)(unsafe.Pointer(&b[throughOffset])) != 0
}

func (b block) ready(name string) {
	copy(b[nameOffset:nameOffset+nameSize-1], name)
	atomic.StoreUint32((*uint32)(unsafe.Pointer(&b[readyOffset])), 1)
}

func (b block) bareRegion() []byte { return b[bareOffset:] }
