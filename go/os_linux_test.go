// SPDX-License-Identifier: Apache-2.0

package shm

import (
	"errors"
	"os"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// What the tests need of the system beside the package's own contract with it.

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

// The real doorbell: whoever publishes while the other goes to sleep wakes it, every time.
func TestFutexHandOversLoseNoWake(t *testing.T) {
	bounded(t)
	const turns = 20000
	var words, waits [2]uint32
	var stop uint32
	side := func(me int, first bool) {
		peer := 1 - me
		var seen uint32
		changed := func() bool { return atomic.LoadUint32(&words[peer]) != seen }
		w := newWaiter(&words[peer], &waits[me], &stop, changed, &futex{&words[peer]}, WaitPolicy{})
		tell := func(word uint32) {
			if publish(&words[me], word, &waits[peer]) != 0 {
				(&futex{&words[me]}).ring()
			}
		}
		for turn := uint32(0); turn < turns; turn++ {
			if first {
				tell(turn + 1)
			}
			if err := w.afterSpinning(); err != nil {
				t.Errorf("turn %d: %v", turn, err)
				return
			}
			if seen = atomic.LoadUint32(&words[peer]); seen != turn+1 {
				t.Errorf("turn %d: the peer's word is %d", turn, seen)
				return
			}
			if !first {
				tell(turn + 1)
			}
		}
	}
	var done uint32
	ended := make(chan struct{})
	for me := 0; me < 2; me++ {
		go func(me int) {
			side(me, me == 0)
			if atomic.AddUint32(&done, 1) == 2 {
				close(ended)
			}
		}(me)
	}
	<-ended
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
