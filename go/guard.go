// SPDX-License-Identifier: Apache-2.0

package shm

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"sync/atomic"
	"unsafe"
)

// The region's object is a file that others can cut short. Who then touches the memory that was there gets
// a fault, which ends a process that does not expect it.

// fault is what an access to memory that is not there panics with, where such a thing is a panic.
type fault interface {
	runtime.Error
	Addr() uintptr
}

// guarded calls f and turns a fault in the region's memory into ErrRegionLost. Any other fault ends
// the process as it would have done without the guard.
func (r *region) guarded(f func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if value := recover(); value != nil {
			err = r.recovered(value)
		}
	}()
	return f()
}

// recovered is the error of a panic that was a fault in the region's memory. Any other panic goes on.
func (r *region) recovered(value interface{}) error {
	if f, is := value.(fault); !is || !r.contains(f.Addr()) {
		panic(value)
	}
	if err := r.restore(); err != nil {
		return err
	}
	return r.lost() // somebody else was faster
}

func (r *region) contains(address uintptr) bool {
	return address-uintptr(unsafe.Pointer(&r.memory[0])) < uintptr(len(r.memory))
}

// restore gives the object its size back and says ErrRegionLost if somebody had cut it short. Workers
// that sleep in the region can be woken only where there is memory.
func (r *region) restore() error {
	size, err := r.object.size()
	if err != nil || size >= r.layout.regionSize {
		return err
	}
	atomic.StoreUint32(&r.cut, 1) // before there is memory again, which is not what was there
	if err := r.object.resize(r.layout.regionSize); err != nil {
		return err
	}
	return r.lost()
}

// wasCut tells whether what stands in the region may be gone, though there is memory again.
func (r *region) wasCut() bool { return atomic.LoadUint32(&r.cut) != 0 }

func (r *region) lost() error {
	return &failure{ErrRegionLost, fmt.Sprintf("somebody cut the object of %q short; connect anew", r.name), nil}
}
