// SPDX-License-Identifier: Apache-2.0

// Package block is what a guest of the benchmark and its host share beside the library's region, as common/control.h lays
// it down.
package block

import (
	"errors"
	"fmt"
	"sync/atomic"
	"time"
	"unsafe"

	bare "github.com/xll-gen/shm/experiments/pingpong/go"
	"golang.org/x/sys/unix"
)

const (
	magic         = 0x32424953
	readyOffset   = 4
	nameOffset    = 8
	nameSize      = 24
	startOffset   = 32
	throughOffset = 68
	bareOffset    = 4096
	besideOffset  = bareOffset + bare.RegionBytes
)

// Block is the shared memory.
type Block []byte

// Map maps it from the descriptor that the host has handed over, with so many bytes behind the bare region.
func Map(descriptor, beside int) (Block, error) {
	b, err := unix.Mmap(descriptor, 0, besideOffset+beside,
		unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_POPULATE)
	if err != nil {
		return nil, fmt.Errorf("the benchmark's shared block: %w", err)
	}
	if *(*uint32)(unsafe.Pointer(&b[0])) != magic {
		return nil, errors.New("the benchmark's shared block: host and guest are of different versions")
	}
	return b, nil
}

// Started tells what the start took. How much private memory it took is not told: the runtime grows
// its own when it likes.
func (b Block) Started(attach, workers time.Duration) {
	start := (*[2]uint64)(unsafe.Pointer(&b[startOffset]))
	start[0], start[1] = uint64(attach), uint64(workers)
}

// WritesThrough says whether the handler writes the response where it goes, as that of the bare pipelines does,
// or into private memory, from where it is copied, as that of the bare limit.
func (b Block) WritesThrough() bool {
	return *(*uint32)(unsafe.Pointer(&b[throughOffset])) != 0
}

// Ready tells the host the guest's name, and that its workers run.
func (b Block) Ready(name string) {
	copy(b[nameOffset:nameOffset+nameSize-1], name)
	atomic.StoreUint32((*uint32)(unsafe.Pointer(&b[readyOffset])), 1)
}

// BareRegion is for the bare exchanges.
func (b Block) BareRegion() []byte { return b[bareOffset:besideOffset] }

// Beside is what is behind it.
func (b Block) Beside() []byte { return b[besideOffset:] }
