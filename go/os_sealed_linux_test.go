// SPDX-License-Identifier: Apache-2.0

package shm

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// sealedHost is a host by hand at a socket: what it sends can be spoiled.
type sealedHost struct {
	folder, name string
	listener     int
	message      handover
	size         int // of the message; 0: closes at once, less than 0: never answers
	descriptors  []int
}

func newSealedHost(t *testing.T) *sealedHost {
	t.Helper()
	folder, err := os.MkdirTemp("", "simpleipc") // a test's own folder can be too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	s := &sealedHost{folder: folder, name: freshName(), message: handover{magic: magic}, size: handoverSize}
	t.Cleanup(func() { os.RemoveAll(folder) })
	s.listener = socketAt(t, s.path(), unix.SOCK_SEQPACKET)
	t.Cleanup(func() { unix.Close(s.listener) })
	if err := unix.Listen(s.listener, 8); err != nil {
		t.Fatal(err)
	}
	return s
}

func socketAt(t *testing.T, path string, kind int) int {
	t.Helper()
	made, err := unix.Socket(unix.AF_UNIX, kind|unix.SOCK_CLOEXEC, 0)
	if err == nil {
		err = unix.Bind(made, &unix.SockaddrUnix{Name: path})
	}
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func (s *sealedHost) path() string { return filepath.Join(s.folder, "simpleipc."+s.name) }

// answerOne answers one guest in the background.
func (s *sealedHost) answerOne() (done chan struct{}) {
	done = make(chan struct{})
	go func() {
		defer close(done)
		connection, _, err := unix.Accept4(s.listener, unix.SOCK_CLOEXEC)
		if err != nil {
			return
		}
		defer unix.Close(connection)
		bytes := (*[handoverSize]byte)(unsafe.Pointer(&s.message))[:]
		if s.size > 0 {
			var rights []byte
			if len(s.descriptors) > 0 {
				rights = unix.UnixRights(s.descriptors...)
			}
			_ = unix.Sendmsg(connection, bytes[:s.size], rights, nil, unix.MSG_NOSIGNAL)
		}
	}()
	return done
}

func (s *sealedHost) connect(options ...Option) (*Client, error) {
	return connectTo(s.name, append(options, WithSealedFolder(s.folder))...)
}

func (s *sealedHost) expectRefusal(t *testing.T, want error, words ...string) {
	t.Helper()
	before := openDescriptors(t)
	answered := s.answerOne()
	_, err := s.connect(WithAttachTimeout(0))
	<-answered
	if !errors.Is(err, want) {
		t.Errorf("%v instead of %v", err, want)
		return
	}
	for _, word := range words {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("%q does not say %q", err, word)
		}
	}
	if after := openDescriptors(t); after != before {
		t.Errorf("%d descriptors before and %d after", before, after)
	}
}

const allSeals = regionSeals

// sealedObject is the memory of a miniature host in a memfd.
func sealedObject(t *testing.T, seals int) *object {
	t.Helper()
	descriptor, err := unix.MemfdCreate("by hand", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(descriptor) })
	h := newHost(t, 1, 64)
	if _, err := unix.Pwrite(descriptor, h.memory, 0); err != nil {
		t.Fatal(err)
	}
	if seals != 0 {
		if _, err := unix.FcntlInt(uintptr(descriptor), unix.F_ADD_SEALS, seals); err != nil {
			t.Fatal(err)
		}
	}
	return &object{descriptor: descriptor, path: "by hand"}
}

func again(t *testing.T, o *object, flags int) int {
	t.Helper()
	descriptor, err := unix.Open(fmt.Sprintf("/proc/self/fd/%d", o.descriptor), flags|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(descriptor) })
	return descriptor
}

func TestASealedRegionIsAttached(t *testing.T) {
	bounded(t)
	s := newSealedHost(t)
	o := sealedObject(t, allSeals)
	if won, err := o.claim(claimHost); !won || err != nil {
		t.Fatal(won, err)
	}
	s.descriptors = []int{again(t, o, unix.O_RDWR)}
	answered := s.answerOne()
	client, err := s.connect()
	if err != nil {
		t.Fatal(err)
	}
	<-answered
	if client.Slots() != 1 || !client.attachment().region.sealed {
		t.Errorf("%d slots", client.Slots())
	}
	if err := client.Close(); err != nil {
		t.Error(err)
	}
}

func TestNobodyAtTheSealedSocket(t *testing.T) {
	bounded(t)
	s := newSealedHost(t)
	s.size = -1
	s.expectRefusal(t, ErrNoHost, "closed the connection")
	begun := time.Now()
	if _, err := s.connect(WithAttachTimeout(120 * time.Millisecond)); !errors.Is(err, ErrNoHost) {
		t.Error(err)
	}
	if waited := time.Since(begun); waited < 120*time.Millisecond {
		t.Errorf("waited %v", waited)
	}
	unix.Close(s.listener)
	if _, err := s.connect(WithAttachTimeout(0)); !errors.Is(err, ErrNoHost) || !strings.Contains(err.Error(), "nobody listens") {
		t.Error(err)
	}
	os.Remove(s.path())
	if _, err := s.connect(WithAttachTimeout(0)); !errors.Is(err, ErrNoHost) {
		t.Error(err)
	}
	s.listener = socketAt(t, s.path(), unix.SOCK_DGRAM)
	if _, err := s.connect(); !errors.Is(err, ErrNotARegion) {
		t.Error(err)
	}
}

func TestWhatIsNoSealedSocketIsRefused(t *testing.T) {
	bounded(t)
	s := newSealedHost(t)
	for what, create := range map[string]func(path string) error{
		"symbolic link": func(path string) error { return os.Symlink(s.path(), path) },
		"folder":        func(path string) error { return os.Mkdir(path, 0700) },
		"pipe":          func(path string) error { return unix.Mkfifo(path, 0600) },
		"file":          func(path string) error { return os.WriteFile(path, nil, 0600) },
	} {
		name := freshName()
		if err := create(filepath.Join(s.folder, "simpleipc."+name)); err != nil {
			t.Fatal(err)
		}
		_, err := connectTo(name, WithSealedFolder(s.folder))
		if !errors.Is(err, ErrNotARegion) || !strings.Contains(err.Error(), "not a socket") {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestASealedSocketsPathIsLimited(t *testing.T) {
	for _, long := range []string{strings.Repeat("f", 107), "/" + strings.Repeat("f", 4000)} {
		if _, err := connectTo("x", WithSealedFolder(long)); !errors.Is(err, ErrBadName) {
			t.Error(err)
		}
	}
	if _, err := connectTo("x", WithSealedFolder("")); !errors.Is(err, ErrInvalidArgument) {
		t.Error(err)
	}
}

func TestWhatIsNoHandoverIsRefused(t *testing.T) {
	bounded(t)
	s := newSealedHost(t)
	for size := 1; size < handoverSize; size++ {
		s.size = size
		s.expectRefusal(t, ErrNotARegion, "not a SimpleIPC host")
	}
	s.size = handoverSize
	s.message.magic ^= 1
	s.expectRefusal(t, ErrNotARegion, "not a SimpleIPC host")
	s.message = handover{magic: magic, answer: 2}
	s.expectRefusal(t, ErrNotARegion, "not a SimpleIPC host")
	s.message.answer = handoverRefused
	s.descriptors = []int{0, 1}
	s.expectRefusal(t, ErrForbidden, "does not admit")
	s.message.answer = handoverGiven
	for _, count := range []int{0, 2, handoverDescriptors} {
		s.descriptors = make([]int, count) // of 0, the standard input
		s.expectRefusal(t, ErrNotARegion, fmt.Sprintf("%d descriptors", count))
	}
}

func TestMoreDescriptorsThanThereIsRoomForAreRefused(t *testing.T) {
	bounded(t)
	s := newSealedHost(t)
	s.message = handover{magic: magic, answer: handoverGiven}
	s.size = handoverSize
	for _, count := range []int{handoverDescriptors + 1, 100} {
		s.descriptors = make([]int, count) // of 0, the standard input
		s.expectRefusal(t, ErrSystem, "descriptors")
	}
}

func TestWhatIsNotSealedIsRefused(t *testing.T) {
	bounded(t)
	s := newSealedHost(t)
	for _, seals := range []int{0, allSeals &^ unix.F_SEAL_GROW, allSeals &^ unix.F_SEAL_SHRINK, allSeals &^ unix.F_SEAL_SEAL} {
		s.descriptors = []int{sealedObject(t, seals).descriptor}
		s.expectRefusal(t, ErrNotARegion, "seals")
	}
	s.descriptors = []int{int(os.Stdin.Fd())}
	s.expectRefusal(t, ErrNotARegion, "seals")
	s.descriptors = []int{newHost(t, 1, 64).object.descriptor}
	s.expectRefusal(t, ErrNotARegion, "seals")
	good := sealedObject(t, allSeals)
	s.descriptors = []int{again(t, good, unix.O_RDWR)}
	s.expectRefusal(t, ErrNoHost, "stale")
	if won, err := good.claim(claimHost); !won || err != nil {
		t.Fatal(won, err)
	}
	s.descriptors = []int{again(t, good, unix.O_RDONLY)}
	s.expectRefusal(t, ErrSystem)
}

func TestASealedRegionHasFutexesOnly(t *testing.T) {
	bounded(t)
	s := newSealedHost(t)
	o := sealedObject(t, allSeals)
	if won, err := o.claim(claimHost); !won || err != nil {
		t.Fatal(won, err)
	}
	if _, err := unix.Pwrite(o.descriptor, []byte{backendSemaphore}, int64(unsafe.Offsetof(exchangeHeader{}.eventBackend))); err != nil {
		t.Fatal(err)
	}
	s.descriptors = []int{again(t, o, unix.O_RDWR)}
	s.expectRefusal(t, ErrBackendUnsupported, "sealed region")
}

func TestUsersAreTheSameOnlyIfTheyAreKnown(t *testing.T) {
	if !isUser(7, 7) || isUser(7, 8) || isUser(overflowUser, 7) {
		t.Error("7 is 7 and nobody else")
	}
	if isUser(overflowUser, overflowUser) != everyUserIsKnown() {
		t.Error("an id that may mean nobody is taken for a user")
	}
}
