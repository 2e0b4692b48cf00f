// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

func descriptors() int {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		fail(err)
	}
	return len(entries)
}

func becomeUser(id string) {
	if id == "" {
		return
	}
	user, err := strconv.Atoi(id)
	if err == nil {
		err = syscall.Setresgid(user, user, user)
	}
	if err == nil {
		err = syscall.Setresuid(user, user, user)
	}
	if err != nil {
		fail(err)
	}
}

// monotonicNow is the clock in which deadlines are given.
func monotonicNow() int64 {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		fail(err)
	}
	return now.Nano()
}
