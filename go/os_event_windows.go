// SPDX-License-Identifier: Apache-2.0

package shm

import (
	"fmt"
	"time"
	"unsafe"

	"golang.org/x/sys/windows"
)

func openDoorbell(o *object, backend uint32, region string, slot int, side side, _ *uint32) (doorbell, error) {
	if backend != backendWindowsEvent {
		return nil, &failure{ErrBackendUnsupported, fmt.Sprintf(
			"the event_backend of %q is %d; Windows has events (%d)", region, backend, backendWindowsEvent), nil}
	}
	path := o.path(fmt.Sprintf("%d.%s", slot, side.letter()))
	handle, err := windows.OpenEvent(windows.SYNCHRONIZE|windows.EVENT_MODIFY_STATE, false, wide(path))
	if err == windows.ERROR_FILE_NOT_FOUND {
		return nil, &notReady{"its host is closing: event " + path + " is gone"}
	}
	if err != nil {
		return nil, systemError("open "+path, err)
	}
	return &event{handle}, nil
}

// event is an auto-reset event: one that was set before the sleep ends it at once.
type event struct{ handle windows.Handle }

func (e *event) sleep(uint32) error {
	if _, err := windows.WaitForSingleObject(e.handle, windows.INFINITE); err != nil {
		return systemError("wait for an event", err)
	}
	return nil
}

func (e *event) sleepFor(_ uint32, limit time.Duration) error {
	if limit > mostSleep {
		limit = mostSleep
	}
	timer, err := startTimer(limit)
	if err != nil {
		return err
	}
	defer windows.CloseHandle(timer)
	if _, err := windows.WaitForMultipleObjects([]windows.Handle{e.handle, timer}, false, windows.INFINITE); err != nil {
		return systemError("wait for an event and a timer", err)
	}
	return nil
}

func (e *event) ring() { windows.SetEvent(e.handle) } // fails only if it is closed, and then nobody sleeps

func (e *event) close() { windows.CloseHandle(e.handle) }

// The system counts timers in units of 100 ns; a negative time is one from now.
const (
	timerUnit           = 100
	timerHighResolution = 2 // CREATE_WAITABLE_TIMER_HIGH_RESOLUTION
	timerAllAccess      = 0x1F0003
)

// startTimer keeps a limit to the microsecond, which the system's own timeouts, in ticks of up to 16 ms, do not.
func startTimer(limit time.Duration) (windows.Handle, error) {
	timer, _, err := createWaitableTimer.Call(0, 0, timerHighResolution, timerAllAccess)
	if timer == 0 { // before Windows 10 1803
		timer, _, err = createWaitableTimer.Call(0, 0, 0, timerAllAccess)
	}
	if timer == 0 {
		return 0, systemError("create a timer", err)
	}
	due := -(limit.Nanoseconds()/timerUnit + 1)
	if set, _, err := setWaitableTimer.Call(timer, uintptr(unsafe.Pointer(&due)), 0, 0, 0, 0); set == 0 {
		windows.CloseHandle(windows.Handle(timer))
		return 0, systemError("set a timer", err)
	}
	return windows.Handle(timer), nil
}
