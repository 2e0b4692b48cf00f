// SPDX-License-Identifier: Apache-2.0

package shm

import (
	"fmt"
	"io"
	"math"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/windows"
)

// What golang.org/x/sys/windows does not have.
var (
	kernel                    = windows.NewLazySystemDLL("kernel32.dll")
	openFileMapping           = kernel.NewProc("OpenFileMappingW")
	switchToThread            = kernel.NewProc("SwitchToThread")
	queryPerformanceCounter   = kernel.NewProc("QueryPerformanceCounter")
	queryPerformanceFrequency = kernel.NewProc("QueryPerformanceFrequency")
	createWaitableTimer       = kernel.NewProc("CreateWaitableTimerExW")
	setWaitableTimer          = kernel.NewProc("SetWaitableTimer")
)

// object is what this process has open of a region: its section, and the gate to its claims (spec, section 14).
type object struct {
	name     string         // the region's
	instance uint64         // tells it from others that had its name
	section  windows.Handle // 0: there was none yet
	bytes    uint64         // of the section; it never changes
	gate     windows.Handle // a mutex: who looks for a claim or takes one

	mutex sync.Mutex                // guards what follows
	held  map[uint64]windows.Handle // the events of the claims of this opening
}

func objectPath(name string) string { return `Local\simpleipc.` + name }

// path is the name of one of the region's objects.
func (o *object) path(what string) string {
	return fmt.Sprintf("%s.%016x.%s", objectPath(o.name), o.instance, what)
}

// wide is a path as the system takes it.
func wide(path string) *uint16 {
	text, err := windows.UTF16PtrFromString(path)
	if err != nil {
		panic(err) // a region's name was checked
	}
	return text
}

func openObject(name string) (*object, error) {
	instance, err := readName(objectPath(name))
	if err != nil {
		return nil, err
	}
	o := newObject(name, instance)
	if err = o.openGate(); err == nil {
		err = o.openRegion()
	}
	if err != nil {
		o.close()
		return nil, err
	}
	return o, nil
}

func openObjectToRead(name string) (*object, error) { return openObject(name) }

func newObject(name string, instance uint64) *object {
	return &object{name: name, instance: instance, held: map[uint64]windows.Handle{}}
}

func (o *object) openGate() error {
	attributes, err := forThisUser()
	if err != nil {
		return err
	}
	path := o.path("gate")
	if o.gate, err = windows.CreateMutex(attributes, false, wide(path)); o.gate == 0 {
		return systemError("create "+path, err)
	}
	return nil
}

// openRegion leaves a region of size 0 if its host has not made the section yet.
func (o *object) openRegion() (err error) {
	o.section, err = openSection(o.path("region"))
	if err == windows.ERROR_FILE_NOT_FOUND {
		return nil
	}
	if err == nil {
		o.bytes, err = sizeOf(o.section)
	}
	return err
}

// namePage is the content of the name's section.
type namePage struct {
	magic    uint64
	instance uint64
	complete uint32 // atomic; 1: the two before it are written
}

const (
	namePageSize  = 24
	nameMagic     = 0x454D414E4C504D49
	namePatience  = time.Second      // its creator writes it at once, unless it is stopped or no host
	nameRest      = time.Millisecond // between two looks: many who wait do not keep its creator from its work
	minimumAccess = windows.FILE_MAP_READ | windows.FILE_MAP_WRITE | windows.READ_CONTROL
)

// readName is the instance of the region that has the name now.
func readName(path string) (instance uint64, err error) {
	section, err := openSection(path)
	if err != nil {
		return 0, err
	}
	defer windows.CloseHandle(section)
	memory, err := view(section, windows.FILE_MAP_READ, namePageSize)
	if err != nil {
		return 0, &failure{ErrNotARegion, path + " is too small for the name of a region", err}
	}
	defer unmap(memory)
	page := (*namePage)(unsafe.Pointer(&memory[0]))
	// Acquire: what was written before it is seen after it.
	for until := sinceStart() + namePatience; atomic.LoadUint32(&page.complete) == 0; time.Sleep(nameRest) {
		if sinceStart() >= until {
			return 0, &failure{ErrNotARegion, path + " says nothing: it is not the name of a region, or its host is stopped", nil}
		}
	}
	if magic := atomic.LoadUint64(&page.magic); magic != nameMagic {
		return 0, &failure{ErrNotARegion, fmt.Sprintf("%s begins with 0x%016x: it is not the name of a region", path, magic), nil}
	}
	return atomic.LoadUint64(&page.instance), nil
}

// ---- Sections ----

// openSection fails with what errors.Is takes for fs.ErrNotExist if there is none.
func openSection(path string) (windows.Handle, error) {
	name := wide(path)
	section, _, err := openFileMapping.Call(minimumAccess, 0, uintptr(unsafe.Pointer(name)))
	switch {
	case section != 0:
		return windows.Handle(section), nil
	case err == windows.ERROR_FILE_NOT_FOUND:
		return 0, err
	case err == windows.ERROR_ACCESS_DENIED:
		return 0, &failure{ErrForbidden, "may not open " + path + "; run as the host's user", err}
	case err == windows.ERROR_INVALID_HANDLE:
		return 0, &failure{ErrNotARegion, path + " is not a section", err}
	}
	return 0, systemError("open "+path, err)
}

// pointerTo is an address that the system gave.
func pointerTo(address uintptr) unsafe.Pointer { return *(*unsafe.Pointer)(unsafe.Pointer(&address)) }

// view maps the first bytes of a section; 0: all of them, of which the slice has none.
func view(section windows.Handle, access uint32, size uint64) ([]byte, error) {
	if size > math.MaxInt {
		return nil, systemError(fmt.Sprintf("map %d bytes", size), windows.ERROR_NOT_ENOUGH_MEMORY)
	}
	address, err := windows.MapViewOfFile(section, access, 0, 0, uintptr(size))
	if err != nil {
		return nil, systemError(fmt.Sprintf("map %d bytes", size), err)
	}
	if there, err := memoryAt(address); err != nil || there < size {
		windows.UnmapViewOfFile(address)
		return nil, systemError(fmt.Sprintf("map %d bytes of which %d are there", size, there), err)
	}
	return unsafe.Slice((*byte)(pointerTo(address)), size), nil
}

func unmap(memory []byte) error {
	if err := windows.UnmapViewOfFile(uintptr(unsafe.Pointer(&memory[0]))); err != nil {
		return systemError("unmap", err)
	}
	return nil
}

// memoryAt is how many bytes of memory a view has, in whole pages: the system does not tell it closer. A section may
// also be room without memory, whose maker is no host.
func memoryAt(address uintptr) (uint64, error) {
	var told windows.MemoryBasicInformation
	if err := windows.VirtualQuery(address, &told, unsafe.Sizeof(told)); err != nil {
		return 0, systemError("ask for the size of a section", err)
	}
	if told.State != windows.MEM_COMMIT {
		return 0, nil
	}
	return uint64(told.RegionSize), nil
}

func sizeOf(section windows.Handle) (uint64, error) {
	address, err := windows.MapViewOfFile(section, windows.FILE_MAP_READ, 0, 0, 0)
	if err != nil {
		return 0, systemError("map a section", err)
	}
	defer windows.UnmapViewOfFile(address)
	return memoryAt(address)
}

func (o *object) size() (uint64, error) { return o.bytes, nil }

// resize is never needed: nobody can cut a section short.
func (o *object) resize(uint64) error {
	return systemError("resize "+o.path("region"), windows.ERROR_NOT_SUPPORTED)
}

func (o *object) read(p []byte) error { return o.readAt(p, 0) }

func (o *object) readAt(p []byte, offset uint64) error {
	if o.bytes < offset || o.bytes-offset < uint64(len(p)) {
		return systemError("read "+o.path("region"), io.ErrUnexpectedEOF)
	}
	memory, err := view(o.section, windows.FILE_MAP_READ, offset+uint64(len(p)))
	if err != nil {
		return err
	}
	copy(p, memory[offset:])
	return unmap(memory)
}

func (o *object) mapShared(size uint64) ([]byte, error) {
	return view(o.section, windows.FILE_MAP_READ|windows.FILE_MAP_WRITE, size)
}

func (o *object) close() error {
	var failed error
	closing := []windows.Handle{o.gate, o.section}
	for _, event := range o.held {
		closing = append(closing, event)
	}
	for _, handle := range closing {
		if handle == 0 {
			continue
		}
		if err := windows.CloseHandle(handle); err != nil {
			failed = systemError("close an object of "+objectPath(o.name), err)
		}
	}
	return failed
}

// ---- Users ----

// forThisUser are attributes for objects that only this process's user may open.
func forThisUser() (*windows.SecurityAttributes, error) {
	user, err := windows.GetCurrentProcessToken().GetTokenUser()
	if err != nil {
		return nil, systemError("ask for this process's user", err)
	}
	// Owner: the user, also where the system would name a group. A list of its own: all for the user.
	text := fmt.Sprintf("O:%[1]sD:P(A;;GA;;;%[1]s)", user.User.Sid)
	descriptor, err := windows.SecurityDescriptorFromString(text)
	if err != nil {
		return nil, systemError("make a security descriptor", err)
	}
	attributes := &windows.SecurityAttributes{SecurityDescriptor: descriptor}
	attributes.Length = uint32(unsafe.Sizeof(*attributes))
	return attributes, nil
}

func (o *object) ownedByUser() (bool, error) {
	if o.section == 0 {
		return true, nil // not complete yet
	}
	user, err := windows.GetCurrentProcessToken().GetTokenUser()
	if err != nil {
		return false, systemError("ask for this process's user", err)
	}
	descriptor, err := windows.GetSecurityInfo(o.section, windows.SE_KERNEL_OBJECT, windows.OWNER_SECURITY_INFORMATION)
	if err != nil {
		return false, systemError("ask for the owner of "+o.path("region"), err)
	}
	owner, _, err := descriptor.Owner()
	if err != nil {
		return false, systemError("ask for the owner of "+o.path("region"), err)
	}
	return owner != nil && owner.Equals(user.User.Sid), nil
}

func openSealed(string, string, bool, time.Time) (*object, error) {
	return nil, &failure{ErrInvalidArgument, "this system has no sealed regions; leave WithSealedFolder out", nil}
}

// ---- Time and processes ----

func yieldThread() { syscall.SyscallN(switchToThread.Addr()) }

// counterFrequency is how often the system's counter counts in a second.
var counterFrequency = func() uint64 {
	var frequency uint64
	// It cannot fail, nor can the counter: every Windows has it.
	syscall.SyscallN(queryPerformanceFrequency.Addr(), uintptr(unsafe.Pointer(&frequency)))
	return frequency
}()

// The counter, the same in all processes of this machine; package time's clock advances by ticks of milliseconds.
func monotonicNow() uint64 {
	var now uint64
	syscall.SyscallN(queryPerformanceCounter.Addr(), uintptr(unsafe.Pointer(&now)))
	seconds, rest := now/counterFrequency, now%counterFrequency
	return seconds*uint64(time.Second) + rest*uint64(time.Second)/counterFrequency
}

var counterStart = monotonicNow()

func sinceStart() time.Duration { return time.Duration(monotonicNow() - counterStart) }

func processID() uint32 { return uint32(os.Getpid()) }

// Process ids mean the same in the whole system.
func processNamespace() uint64 { return 1 }
