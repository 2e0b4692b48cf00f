// SPDX-License-Identifier: Apache-2.0

package shm

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/windows"
)

// What the tests need of the system beside the package's own contract with it: a host's part of the spec's section 14.

// clockTick is by what package time's clock advances at the most.
const clockTick = 20 * time.Millisecond

// testBackend is the event backend of the miniature hosts, otherBackend one that this system does not have.
const (
	otherBackend = backendFutex
	testBackend  = backendWindowsEvent
)

// nameSections are the names that the miniature hosts hold: *object, windows.Handle.
var nameSections sync.Map

func createSection(t testing.TB, path string, size uint64) windows.Handle {
	t.Helper()
	attributes, err := forThisUser()
	if err != nil {
		t.Fatal(err)
	}
	section, err := windows.CreateFileMapping(windows.InvalidHandle, attributes, windows.PAGE_READWRITE,
		uint32(size>>32), uint32(size), wide(path))
	if err != nil {
		t.Fatal(path, err)
	}
	return section
}

func createObject(t testing.TB, name string) *object {
	t.Helper()
	var random [8]byte
	if _, err := rand.Read(random[:]); err != nil {
		t.Fatal(err)
	}
	o := newObject(name, binary.LittleEndian.Uint64(random[:])|1)
	if err := o.openGate(); err != nil {
		t.Fatal(err)
	}
	section := createSection(t, objectPath(name), namePageSize)
	nameSections.Store(o, section)
	writeName(t, section, namePage{nameMagic, o.instance, 1})
	return o
}

func writeName(t testing.TB, section windows.Handle, content namePage) {
	t.Helper()
	memory, err := view(section, windows.FILE_MAP_WRITE, namePageSize)
	if err != nil {
		t.Fatal(err)
	}
	page := (*namePage)(unsafe.Pointer(&memory[0]))
	page.magic, page.instance = content.magic, content.instance
	atomic.StoreUint32(&page.complete, content.complete)
	if err := unmap(memory); err != nil {
		t.Error(err)
	}
}

// resizeObject is for an object that has no memory yet.
func resizeObject(t testing.TB, o *object, size uint64) {
	t.Helper()
	o.section = createSection(t, o.path("region"), size)
	var err error
	if o.bytes, err = sizeOf(o.section); err != nil {
		t.Fatal(err)
	}
}

func removeObject(o *object) {
	if section, is := nameSections.Load(o); is {
		nameSections.Delete(o)
		windows.CloseHandle(section.(windows.Handle))
	}
}

// A name goes with its host.
func removeName(string) {}

// createBells makes the events of a region's slots.
func createBells(t testing.TB, r *region) {
	t.Helper()
	for slot := uint32(0); slot < r.layout.hostSlots+r.layout.guestSlots; slot++ {
		for _, side := range []side{callerSide, responderSide} {
			createBell(t, r.object.path(fmt.Sprintf("%d.%s", slot, side.letter())))
		}
	}
}

func createBell(t testing.TB, path string) windows.Handle {
	t.Helper()
	attributes, err := forThisUser()
	if err != nil {
		t.Fatal(err)
	}
	event, err := windows.CreateEvent(attributes, 0, 0, wide(path))
	if err != nil {
		t.Fatal(path, err)
	}
	t.Cleanup(func() { windows.CloseHandle(event) })
	return event
}

func (w *holderWatch) watchesProcess() bool { return w.process != 0 }

func (w *holderWatch) watchesClaim() bool { return atomic.LoadUint32(&w.byClaim) != 0 }

// ---- Names ----

func TestANameThatIsNoRegions(t *testing.T) {
	bounded(t)
	for _, c := range []struct {
		content namePage
		says    string
	}{
		{namePage{nameMagic, 7, 0}, "says nothing"},
		{namePage{nameMagic + 1, 7, 1}, "0x454d414e4c504d4a"},
	} {
		name := freshName()
		section := createSection(t, objectPath(name), namePageSize)
		writeName(t, section, c.content)
		expectRefusal(t, name, ErrNotARegion, objectPath(name), c.says)
		windows.CloseHandle(section)
	}
}

func TestANameThatIsNoSection(t *testing.T) {
	bounded(t)
	name := freshName()
	createBell(t, objectPath(name))
	expectRefusal(t, name, ErrNotARegion, objectPath(name), "not a section")
}

// Who looks would get a fault.
func TestASectionWithoutMemory(t *testing.T) {
	bounded(t)
	const reserved = 0x4000000 // SEC_RESERVE
	name := freshName()
	section, err := windows.CreateFileMapping(windows.InvalidHandle, nil, windows.PAGE_READWRITE|reserved, 0, 1<<16,
		wide(objectPath(name)))
	if err != nil {
		t.Fatal(err)
	}
	defer windows.CloseHandle(section)
	if size, err := sizeOf(section); size != 0 || err != nil {
		t.Error(size, err)
	}
	expectRefusal(t, name, ErrNotARegion, objectPath(name), "too small")
}

// The name is written before the region is there.
func TestARegionWithoutItsSection(t *testing.T) {
	bounded(t)
	name := freshName()
	o := createObject(t, name)
	defer o.close()
	defer removeObject(o)
	if won, err := o.claim(claimHost); !won || err != nil {
		t.Fatal(won, err)
	}
	expectRefusal(t, name, ErrNoHost, "not completed")
}

// A consistent geometry that is larger than the section, whose size counts in pages.
func TestARegionBeyondItsSection(t *testing.T) {
	bounded(t)
	h := newHost(t, 2, 100)
	g, err := geometryFor(100, 0, 100, 100)
	if err != nil {
		t.Fatal(err)
	}
	h.header.hostSlots, h.header.tailOffset, h.header.regionSize = 100, g.tailOffset, g.regionSize
	expectRefusal(t, h.name, ErrBadGeometry, "region_size", fmt.Sprint(g.regionSize))
}

func TestThereAreNoSealedRegions(t *testing.T) {
	for _, open := range []func() error{
		func() error { _, err := connectTo("sealed", WithSealedFolder(`C:\`)); return err },
		func() error { _, err := OpenCounters("sealed", WithSealedFolder(`C:\`)); return err },
	} {
		if err := open(); !errors.Is(err, ErrInvalidArgument) || !strings.Contains(err.Error(), "WithSealedFolder") {
			t.Error(err)
		}
	}
}

func TestTheObjectIsItsUsers(t *testing.T) {
	h := newHost(t, 1, 64)
	if mine, err := h.object.ownedByUser(); !mine || err != nil {
		t.Error(mine, err)
	}
}

// ---- Claims ----

func TestClaimsOfTwoOpenings(t *testing.T) {
	bounded(t)
	h := newHost(t, 1, 64)
	other, err := openObject(h.name)
	if err != nil {
		t.Fatal(err)
	}
	defer other.close()
	expect := func(o *object, want bool) {
		t.Helper()
		if won, err := o.claim(claimFirstSlot); won != want || err != nil {
			t.Errorf("claimed: %v, %v", won, err)
		}
	}
	expect(other, true)
	expect(other, true) // it has it
	expect(h.object, false)
	if claimed, err := other.claimedByAnother(claimFirstSlot); claimed || err != nil {
		t.Errorf("its own claim counts as another's: %v, %v", claimed, err)
	}
	if !h.claimed(t, 0) {
		t.Error("the claim is not seen")
	}
	if err := other.unclaim(claimFirstSlot); err != nil {
		t.Error(err)
	}
	expect(h.object, true)
}

// However many look whether a claim is taken, none of them takes it.
func TestALookIsNoClaim(t *testing.T) {
	bounded(t)
	h := newHost(t, 1, 64)
	var stop uint32
	var looking sync.WaitGroup
	for i := 0; i < 3; i++ {
		looking.Add(1)
		go func() {
			defer looking.Done()
			for atomic.LoadUint32(&stop) == 0 {
				h.claimed(t, 0)
			}
		}()
	}
	taker, err := openObject(h.name)
	if err != nil {
		t.Fatal(err)
	}
	defer taker.close()
	for i := 0; i < 300; i++ {
		if won, err := taker.claim(claimFirstSlot); !won || err != nil {
			t.Fatalf("turn %d: %v, %v", i, won, err)
		}
		if err := taker.unclaim(claimFirstSlot); err != nil {
			t.Fatal(err)
		}
	}
	atomic.StoreUint32(&stop, 1)
	looking.Wait()
}

// A process that ends inside the gate may have its handles closed a moment later than the gate becomes free.
func TestAClaimWhoseSeekerDiedInsideTheGate(t *testing.T) {
	bounded(t)
	h := newHost(t, 1, 64)
	event := make(chan windows.Handle)
	go func() { // its thread ends with it
		runtime.LockOSThread()
		windows.WaitForSingleObject(h.object.gate, windows.INFINITE)
		created, _ := windows.CreateEvent(nil, 1, 0, wide(h.object.claimPath(claimFirstSlot)))
		event <- created
	}()
	left := <-event
	time.AfterFunc(10*time.Millisecond, func() { windows.CloseHandle(left) })
	if won, err := h.object.claim(claimFirstSlot); !won || err != nil {
		t.Error(won, err)
	}
}

// Who is stopped inside the gate keeps nobody out for long.
func TestAGateThatIsNeverLeft(t *testing.T) {
	bounded(t)
	h := newHost(t, 1, 64)
	inside, leave := make(chan struct{}), make(chan struct{})
	go h.object.inside(func() {
		close(inside)
		<-leave
	})
	<-inside
	defer close(leave)
	other, err := openObject(h.name)
	if err != nil {
		t.Fatal(err)
	}
	defer other.close()
	if won, err := other.claim(claimFirstSlot); !won || err != nil {
		t.Error(won, err)
	}
}

// ---- Events ----

func TestEventHandOversLoseNoWake(t *testing.T) {
	bounded(t)
	name := `Local\` + freshName()
	handOversLoseNoWake(t, 5000, func(side int, _ *uint32) doorbell {
		return &event{createBell(t, fmt.Sprint(name, side))}
	})
}

// A sleep ends at its limit, which may be less than a tick of the system's.
func TestASleepForATime(t *testing.T) {
	bounded(t)
	bell := &event{createBell(t, `Local\`+freshName())}
	for _, limit := range []time.Duration{1, 50 * time.Microsecond, 3 * time.Millisecond} {
		began := sinceStart()
		if err := bell.sleepFor(0, limit); err != nil {
			t.Error(err)
		}
		if took := sinceStart() - began; took < limit {
			t.Errorf("%v instead of %v", took, limit)
		}
	}
	bell.ring()
	if err := bell.sleepFor(0, time.Hour*1000); err != nil {
		t.Error(err)
	}
}

// ---- News ----

func TestNewsForAllWhoWantThem(t *testing.T) {
	bounded(t)
	h := newHost(t, 1, 64)
	h.object.touch() // nobody wants them yet
	var watches []*changesWatch
	for i := 0; i < mostNews; i++ {
		watch := h.object.watchChanges()
		if watch == nil {
			t.Fatal("no news for the one of number ", i)
		}
		watches = append(watches, watch)
	}
	if h.object.watchChanges() != nil {
		t.Error("one more has news")
	}
	for turn := 0; turn < 3; turn++ {
		h.object.touch()
		for _, watch := range watches {
			<-watch.news()
		}
	}
	for _, watch := range watches {
		watch.stop()
	}
	watch := h.object.watchChanges()
	h.object.touch()
	<-watch.news()
	watch.stop()
}

// ---- What is left ----

var getProcessHandleCount = kernel.NewProc("GetProcessHandleCount")

func openHandles(t *testing.T) (count uint32) {
	t.Helper()
	if told, _, err := getProcessHandleCount.Call(uintptr(windows.CurrentProcess()), uintptr(unsafe.Pointer(&count))); told == 0 {
		t.Fatal(err)
	}
	return count
}

// The runtime has a few handles for each of its threads, whose number settles.
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
	const turns = 100
	cycle()
	handles, goroutines := openHandles(t), runtime.NumGoroutine()
	for i := 0; i < turns; i++ {
		cycle()
	}
	eventually(func() bool { return runtime.NumGoroutine() <= goroutines })
	if now := openHandles(t); now > handles+turns/2 {
		t.Errorf("%d handles instead of %d", now, handles)
	}
}
