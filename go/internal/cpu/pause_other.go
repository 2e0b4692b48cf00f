// SPDX-License-Identifier: Apache-2.0

//go:build !amd64 && !arm64

package cpu

// Pause does nothing: this processor has no hint that Go's assembler knows.
func Pause() {}
