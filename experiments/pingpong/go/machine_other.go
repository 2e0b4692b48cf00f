// SPDX-License-Identifier: Apache-2.0

//go:build !amd64 && !arm64

package bare

import "time"

var start = time.Now()

// Pause does nothing here.
func Pause() {}

// Ticks counts nanoseconds.
func Ticks() uint64 { return uint64(time.Since(start)) }
