// SPDX-License-Identifier: Apache-2.0

package main

import "syscall"

// peakOfMemory is the most that this process had at a time, in KiB.
func peakOfMemory() int64 {
	var usage syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &usage)
	return usage.Maxrss
}
