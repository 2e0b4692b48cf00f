// SPDX-License-Identifier: Apache-2.0

//go:build amd64 || arm64

package bare

// Pause tells the processor that the program spins.
func Pause()

// Ticks reads a clock that costs a few nanoseconds; TicksPerNanosecond tells its unit.
func Ticks() uint64
