// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"math/big"
	"unsafe"

	"golang.org/x/sys/windows"
)

// descriptors tells nothing: the runtime's threads have handles, whose number settles only in time.
func descriptors() int { return 0 }

func becomeUser(id string) {
	if id != "" {
		fail(errors.New("this system has no users that a process can become"))
	}
}

var (
	kernel                    = windows.NewLazySystemDLL("kernel32.dll")
	queryPerformanceCounter   = kernel.NewProc("QueryPerformanceCounter")
	queryPerformanceFrequency = kernel.NewProc("QueryPerformanceFrequency")
)

// monotonicNow is the clock in which deadlines are given.
func monotonicNow() int64 {
	var now, frequency int64
	_, _, _ = queryPerformanceCounter.Call(uintptr(unsafe.Pointer(&now)))
	_, _, _ = queryPerformanceFrequency.Call(uintptr(unsafe.Pointer(&frequency)))
	ns := new(big.Int).Mul(big.NewInt(now), big.NewInt(1000000000))
	return ns.Div(ns, big.NewInt(frequency)).Int64()
}
