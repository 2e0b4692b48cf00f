// SPDX-License-Identifier: Apache-2.0

package bare

import (
	"fmt"
	"syscall"
	"time"
	"unsafe"
)

const (
	futexOpWait = 0
	futexOpWake = 1
	pidfdOpen   = 434 // the same number on every architecture
	pollIn      = 1
)

// futexWait sleeps while the word holds seen; for ever with timeout 0.
func futexWait(state *uint32, seen uint32, timeout time.Duration) {
	var limit *syscall.Timespec
	if timeout > 0 {
		spec := syscall.NsecToTimespec(int64(timeout))
		limit = &spec
	}
	_, _, _ = syscall.Syscall6(syscall.SYS_FUTEX, uintptr(unsafe.Pointer(state)), futexOpWait,
		uintptr(seen), uintptr(unsafe.Pointer(limit)), 0, 0)
}

func futexWake(state *uint32) {
	_, _, _ = syscall.Syscall6(syscall.SYS_FUTEX, uintptr(unsafe.Pointer(state)), futexOpWake,
		1<<31-1, 0, 0, 0)
}

func yieldProcessor() { _, _, _ = syscall.RawSyscall(syscall.SYS_SCHED_YIELD, 0, 0, 0) }

type processorSet [128]byte

// AllowedProcessors lists the processors that this thread may run on.
func AllowedProcessors() []int {
	var set processorSet
	_, _, _ = syscall.RawSyscall(syscall.SYS_SCHED_GETAFFINITY, 0, unsafe.Sizeof(set),
		uintptr(unsafe.Pointer(&set)))
	var processors []int
	for i := 0; i < len(set)*8; i++ {
		if set[i/8]&(1<<(i%8)) != 0 {
			processors = append(processors, i)
		}
	}
	return processors
}

// Pin binds the calling thread to a processor; call runtime.LockOSThread first.
func Pin(processor int) error {
	var set processorSet
	if processor < 0 || processor >= len(set)*8 {
		return fmt.Errorf("bare: no processor %d", processor)
	}
	set[processor/8] = 1 << (processor % 8)
	_, _, err := syscall.RawSyscall(syscall.SYS_SCHED_SETAFFINITY, 0, unsafe.Sizeof(set),
		uintptr(unsafe.Pointer(&set)))
	if err != 0 {
		return fmt.Errorf("bare: cannot run on processor %d: %w", processor, err)
	}
	return nil
}

// OnEnd calls ended, in a goroutine, as soon as a process has ended.
func OnEnd(pid int, ended func()) error {
	process, _, err := syscall.Syscall(pidfdOpen, uintptr(pid), 0, 0)
	if err != 0 {
		return fmt.Errorf("bare: cannot watch process %d: %w", pid, err)
	}
	go func() {
		request := struct {
			file    int32
			events  int16
			returns int16
		}{file: int32(process), events: pollIn}
		for {
			_, _, err := syscall.Syscall6(syscall.SYS_PPOLL, uintptr(unsafe.Pointer(&request)), 1,
				0, 0, 0, 0)
			if err != syscall.EINTR {
				break
			}
		}
		ended()
	}()
	return nil
}
