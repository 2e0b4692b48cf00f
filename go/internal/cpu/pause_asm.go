// SPDX-License-Identifier: Apache-2.0

//go:build amd64 || arm64

package cpu

// Pause rests this processor for the time of one poll: the peer's store then costs the polling
// loop no pipeline flush, and a sibling hardware thread gets the execution units meanwhile.
func Pause()
