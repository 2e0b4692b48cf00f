// SPDX-License-Identifier: Apache-2.0

package main

import (
	"syscall"
	"unsafe"
)

// memoryCounters is the system's PROCESS_MEMORY_COUNTERS.
type memoryCounters struct {
	size, faults uint32
	peak         uintptr
	others       [7]uintptr
}

// peakOfMemory is the most that this process had at a time, in KiB.
func peakOfMemory() uintptr {
	var told memoryCounters
	told.size = uint32(unsafe.Sizeof(told))
	self, _ := syscall.GetCurrentProcess()
	ask := syscall.NewLazyDLL("kernel32.dll").NewProc("K32GetProcessMemoryInfo")
	_, _, _ = ask.Call(uintptr(self), uintptr(unsafe.Pointer(&told)), unsafe.Sizeof(told))
	return told.peak / 1024
}
