// SPDX-License-Identifier: Apache-2.0

package shm

import (
	"errors"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// What the tests need of the system beside the package's own contract with it.

// clockTick is by what package time's clock advances at the most.
const clockTick = 0

// testBackend is the event backend of the miniature hosts, otherBackend one that this system does not have.
const (
	otherBackend = backendWindowsEvent
	testBackend  = backendFutex
)

func createObject(t testing.TB, name string) *object {
	t.Helper()
	path := objectPath(name)
	descriptor, err := unix.Open(path, unix.O_RDWR|unix.O_CREAT|unix.O_EXCL|unix.O_CLOEXEC, 0600)
	if err != nil {
		t.Fatal(err)
	}
	return &object{descriptor: descriptor, path: path}
}

func resizeObject(t testing.TB, o *object, size uint64) {
	t.Helper()
	if err := unix.Ftruncate(o.descriptor, int64(size)); err != nil {
		t.Fatal(err)
	}
}

func removeObject(o *object) { unix.Unlink(o.path) }

func removeName(name string) { os.Remove(objectPath(name)) }

// createBells makes what wakes the sides of a region's slots: nothing, if they sleep on words.
func createBells(testing.TB, *region) {}

func (w *holderWatch) watchesProcess() bool { return w.process != nil }

func (w *holderWatch) watchesClaim() bool {
	status, err := w.object.status()
	claimWaitsMutex.Lock()
	defer claimWaitsMutex.Unlock()
	return err == nil && claimWaits[claimedByte{uint64(status.Dev), status.Ino, w.claim}] != nil
}

func waitsForClaims() int {
	claimWaitsMutex.Lock()
	defer claimWaitsMutex.Unlock()
	return len(claimWaits)
}

func TestWhatIsNoOrdinaryObjectIsRefused(t *testing.T) {
	bounded(t)
	h := newHost(t, 1, 64)
	for what, create := range map[string]func(path string) error{
		"symbolic link": func(path string) error { return os.Symlink(h.object.path, path) },
		"folder":        func(path string) error { return os.Mkdir(path, 0700) },
		"pipe":          func(path string) error { return unix.Mkfifo(path, 0600) },
		"socket":        func(path string) error { return unix.Mknod(path, unix.S_IFSOCK|0600, 0) },
	} {
		name := freshName()
		if err := create(objectPath(name)); err != nil {
			t.Fatal(what, err)
		}
		expectRefusal(t, name, ErrForbidden, objectPath(name))
		if err := os.Remove(objectPath(name)); err != nil {
			t.Error(err)
		}
	}
}

// The owner is compared, whoever runs the test: root makes a file of another user, others find one.
func TestARegionOfAnotherUser(t *testing.T) {
	bounded(t)
	h := newHost(t, 1, 64)
	if mine, err := h.object.ownedByUser(); !mine || err != nil {
		t.Errorf("my own object: %v, %v", mine, err)
	}
	foreign := "/"
	if os.Geteuid() == 0 {
		foreign = h.object.path
		if err := os.Chown(foreign, 65534, 65534); err != nil {
			t.Fatal(err)
		}
	}
	descriptor, err := unix.Open(foreign, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	r := region{name: h.name, object: &object{descriptor: descriptor, path: foreign}}
	defer r.object.close()
	if err := r.checkOwner(false); !errors.Is(err, ErrForbidden) || !strings.Contains(err.Error(), "WithAnyOwner") {
		t.Errorf("refused with %v", err)
	}
	if err := r.checkOwner(true); err != nil {
		t.Errorf("not accepted: %v", err)
	}
}

// Who waits for the death of a slot's or a host's holder does so with a read lock, which is no claim.
func TestAReadLockIsNoClaim(t *testing.T) {
	bounded(t)
	h := newHost(t, 1, 64)
	watcher, err := openObject(h.name)
	if err != nil {
		t.Fatal(err)
	}
	defer watcher.close()
	if err := watcher.lock(unix.F_OFD_SETLK, lockByte(unix.F_RDLCK, claimFirstSlot)); err != nil {
		t.Fatal(err)
	}
	if h.claimed(t, 0) {
		t.Error("a read lock counts as a claim")
	}
	if won, err := h.object.claim(claimFirstSlot); won || err != nil {
		t.Errorf("claimed against a read lock that stays: %v, %v", won, err)
	}
	time.AfterFunc(20*time.Millisecond, func() {
		if err := watcher.unclaim(claimFirstSlot); err != nil {
			t.Error(err)
		}
	})
	if client := h.connect(t); client.Slots() != 1 {
		t.Error("the slot was not claimed after the watcher gave way")
	}
	if err := h.object.unclaim(claimHost); err != nil {
		t.Fatal(err)
	}
	if err := watcher.lock(unix.F_OFD_SETLK, lockByte(unix.F_RDLCK, claimHost)); err != nil {
		t.Fatal(err)
	}
	expectRefusal(t, h.name, ErrNoHost, "stale")
}

func TestFutexHandOversLoseNoWake(t *testing.T) {
	bounded(t)
	handOversLoseNoWake(t, 20000, func(_ int, word *uint32) doorbell { return &futex{word} })
}

// Clients come and go; what waits for the host's claim is one thread, and goes with the host.
func TestTheWaitForAClaimIsShared(t *testing.T) {
	bounded(t)
	h := newHost(t, 1, 64)
	h.hideProcess()
	eventually(func() bool { return waitsForClaims() == 0 }) // those of other tests
	before := openDescriptors(t)
	for i := 0; i < 20; i++ {
		client := h.serve(t, echo)
		h.callers[0].expect(t, MessageNormal, "x", ok(MessageNormal, "x"))
		client.Close()
		h.expectLeft(t, client)
	}
	if now := openDescriptors(t); now > before+1 {
		t.Errorf("%d descriptors instead of %d and one", now, before)
	}
	h.die(t)
	eventually(func() bool { return waitsForClaims() == 0 && openDescriptors(t) <= before })
}

func TestManyStartsAndStopsLeaveNothingBehind(t *testing.T) {
	bounded(t)
	h := newHost(t, 2, 64)
	cycle := func() {
		client := h.serve(t, echo)
		h.callers[0].expect(t, MessageNormal, "x", ok(MessageNormal, "x"))
		client.Close()
		client.Wait()
		h.expectLeft(t, client)
	}
	cycle()
	descriptors, goroutines, mappings := openDescriptors(t), runtime.NumGoroutine(), mappingsOf(t, h.name)
	for i := 0; i < 200; i++ {
		cycle()
	}
	eventually(func() bool { return runtime.NumGoroutine() <= goroutines })
	if now := openDescriptors(t); now > descriptors {
		t.Errorf("%d descriptors instead of %d", now, descriptors)
	}
	if now := mappingsOf(t, h.name); now != mappings || now != 1 {
		t.Errorf("%d mappings instead of %d", now, mappings)
	}
}

func openDescriptors(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

func mappingsOf(t *testing.T, name string) int {
	t.Helper()
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		t.Fatal(err)
	}
	return strings.Count(string(maps), "simpleipc."+name+"\n")
}
