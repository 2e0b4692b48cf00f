// SPDX-License-Identifier: Apache-2.0

//go:build !linux && !windows

package shm

import (
	"os"
	"runtime"
	"time"
)

// A system without a file of its own: programs build, and Connect says why it fails.

type object struct{}

var errSystemUnsupported = &failure{ErrBackendUnsupported, "there is no support for " + runtime.GOOS + "; use Linux or Windows", nil}

func openObject(string) (*object, error) { return nil, errSystemUnsupported }

func openObjectToRead(string) (*object, error) { return nil, errSystemUnsupported }

func openSealed(string, string, bool, time.Time) (*object, error) { return nil, errSystemUnsupported }

func (*object) size() (uint64, error) { return 0, errSystemUnsupported }

func (*object) resize(uint64) error { return errSystemUnsupported }

func (*object) ownedByUser() (bool, error) { return false, errSystemUnsupported }

func (*object) read([]byte) error { return errSystemUnsupported }

func (*object) readAt([]byte, uint64) error { return errSystemUnsupported }

func (*object) mapShared(uint64) ([]byte, error) { return nil, errSystemUnsupported }

func (*object) claim(uint64) (bool, error) { return false, errSystemUnsupported }

func (*object) unclaim(uint64) error { return errSystemUnsupported }

func (*object) claimedByAnother(uint64) (bool, error) { return false, errSystemUnsupported }

func (*object) close() error { return errSystemUnsupported }

func (*object) touch() {}

func (*object) watchChanges() *changesWatch { return nil }

type changesWatch struct{}

func (*changesWatch) news() <-chan struct{} { return nil }

func (*changesWatch) hearsOfEnds() bool { return false }

func (*changesWatch) stop() {}

type holderWatch struct{}

func watchHolder(*object, uint64, uint32, uint64) *holderWatch { return &holderWatch{} }

func (*holderWatch) await() (bool, error) { return false, errSystemUnsupported }

func (*holderWatch) stop() {}

func unmap([]byte) error { return errSystemUnsupported }

func openDoorbell(*object, uint32, string, int, side, *uint32) (doorbell, error) {
	return nil, errSystemUnsupported
}

func yieldThread() { runtime.Gosched() }

func monotonicNow() uint64 { return uint64(sinceStart()) }

func sinceStart() time.Duration { return time.Since(processStart) }

func processID() uint32 { return uint32(os.Getpid()) }

func processNamespace() uint64 { return 0 }
