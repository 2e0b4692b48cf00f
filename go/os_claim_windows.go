// SPDX-License-Identifier: Apache-2.0

package shm

import (
	"fmt"
	"runtime"
	"time"

	"golang.org/x/sys/windows"
)

// Claims as named events (spec, section 14): who has made one has the claim, as long as it holds it open; the kernel
// closes it with the process. Who only looks opens it for a moment: the gate keeps that from being taken for a claim.

const (
	gatePatience  = 200 // ms, longer than anybody needs inside: its holder is stopped, or hostile
	deathPatience = 100 * time.Millisecond
)

func (o *object) claimPath(at uint64) string { return o.path(fmt.Sprintf("claim.%d", at)) }

// inside runs f inside the gate and tells whether the last one died there: its handles may still be there for a moment.
func (o *object) inside(f func()) (lastDied bool) {
	runtime.LockOSThread() // whose the mutex is
	defer runtime.UnlockOSThread()
	found, _ := windows.WaitForSingleObject(o.gate, gatePatience)
	defer windows.ReleaseMutex(o.gate) // fails harmlessly for who came in by patience
	f()
	return found == windows.WAIT_ABANDONED
}

func (o *object) claim(at uint64) (bool, error) {
	o.mutex.Lock()
	defer o.mutex.Unlock()
	if o.held[at] != 0 {
		return true, nil
	}
	event, err := o.makeClaim(at)
	if event == 0 {
		return false, err
	}
	o.held[at] = event
	return true, nil
}

// makeClaim tries again for a while where the last one inside died there. 0 without an error: another has it.
func (o *object) makeClaim(at uint64) (event windows.Handle, err error) {
	path := o.claimPath(at)
	attributes, err := forThisUser()
	if err != nil {
		return 0, err
	}
	for until := time.Duration(0); ; yieldThread() {
		lastDied := o.inside(func() {
			event, err = windows.CreateEvent(attributes, 1, 0, wide(path))
			if event != 0 && err == windows.ERROR_ALREADY_EXISTS {
				windows.CloseHandle(event)
				event = 0
			}
		})
		if event == 0 && err != windows.ERROR_ALREADY_EXISTS {
			return 0, systemError("claim "+path, err)
		}
		if lastDied {
			until = sinceStart() + deathPatience
		}
		if event != 0 || sinceStart() >= until {
			return event, nil
		}
	}
}

func (o *object) unclaim(at uint64) error {
	o.mutex.Lock()
	defer o.mutex.Unlock()
	event := o.held[at]
	if event == 0 {
		return nil
	}
	delete(o.held, at)
	if err := windows.CloseHandle(event); err != nil {
		return systemError("give back "+o.claimPath(at), err)
	}
	return nil
}

func (o *object) holds(at uint64) bool {
	o.mutex.Lock()
	defer o.mutex.Unlock()
	return o.held[at] != 0
}

func (o *object) claimedByAnother(at uint64) (claimed bool, err error) {
	if o.holds(at) {
		return false, nil
	}
	path := o.claimPath(at)
	o.inside(func() {
		var event windows.Handle
		if event, err = windows.OpenEvent(windows.SYNCHRONIZE, false, wide(path)); err == nil {
			windows.CloseHandle(event)
		}
	})
	if err == nil || err == windows.ERROR_FILE_NOT_FOUND {
		return err == nil, nil
	}
	return false, systemError("look at "+path, err)
}
