// SPDX-License-Identifier: Apache-2.0

package bare

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"unsafe"
)

// Layout says where state and payload stand.
type Layout uint32

const (
	OneLine    Layout = iota // one word and one buffer for both directions, payload in the word's line
	OwnLines                 // a word for each writer, payload in the word's line
	Neighbours               // a word for each writer, payload from the line after it
	Far                      // both words in one header of two lines, payloads far away
	Layouts
)

// MaxSize is the largest payload.
const MaxSize = 1024 * 1024

// The region as bare.h lays it out.
const (
	magic      = 0x45524142
	version    = 1
	windowQuit = 0xffffffff

	magicOffset    = 0
	versionOffset  = 4
	hostPidOffset  = 8
	windowOffset   = 12
	layoutOffset   = 16
	sizeOffset     = 20
	inPlaceOffset  = 24
	guestPidOffset = 64
	asleepOffset   = 68
	finishedOffset = 72

	blockBytes  = MaxSize + 4096 + 17*64
	firstBlock  = 4096
	secondBlock = firstBlock + blockBytes
	farRequest  = secondBlock + blockBytes
	farResponse = farRequest + blockBytes

	// RegionBytes is the size of a region.
	RegionBytes = (farResponse + blockBytes + 4095) / 4096 * 4096

	turnMask  = 0x7fffffff
	closeFlag = 0x80000000
)

var errName = errors.New("a region's name has 1 to 200 bytes and no '/'")

// CheckName says what is wrong with a region's name.
func CheckName(name string) error {
	if name == "" || len(name) > 200 || strings.Contains(name, "/") {
		return fmt.Errorf("name %q: %w", name, errName)
	}
	return nil
}

func path(name string) string { return "/dev/shm/" + name }

func mapFile(file *os.File) ([]byte, error) {
	return syscall.Mmap(int(file.Fd()), 0, RegionBytes, syscall.PROT_READ|syscall.PROT_WRITE,
		syscall.MAP_SHARED|syscall.MAP_POPULATE)
}

// CreateRegion makes a new region, zeroed and allocated, mode 0600.
func CreateRegion(name string) ([]byte, error) {
	if err := CheckName(name); err != nil {
		return nil, err
	}
	file, err := os.OpenFile(path(name), os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if errors.Is(err, os.ErrExist) {
		return nil, fmt.Errorf("bare: cannot create region: %w: another host uses it, or one was killed "+
			"before its guest attached; choose another name, or remove the file", err)
	}
	if err != nil {
		return nil, fmt.Errorf("bare: cannot create region: %w", err)
	}
	defer file.Close()
	// Allocated now: a full /dev/shm is an error here and not a SIGBUS later.
	err = syscall.Fallocate(int(file.Fd()), 0, 0, RegionBytes)
	var region []byte
	if err == nil {
		region, err = mapFile(file)
	}
	if err != nil {
		RemoveRegion(name)
		return nil, fmt.Errorf("bare: cannot allocate region %q: %w", name, err)
	}
	return region, nil
}

// AttachRegion maps a region that a host has made.
func AttachRegion(name string) ([]byte, error) {
	if err := CheckName(name); err != nil {
		return nil, err
	}
	file, err := os.OpenFile(path(name), os.O_RDWR, 0)
	if err != nil {
		return nil, fmt.Errorf("bare: cannot open region: %w", err)
	}
	defer file.Close()
	state, err := file.Stat()
	if err != nil {
		return nil, fmt.Errorf("bare: cannot open region: %w", err)
	}
	if state.Size() != RegionBytes {
		return nil, fmt.Errorf("bare: region %q has %d bytes and not %d: not a region of this version",
			name, state.Size(), RegionBytes)
	}
	return mapFile(file)
}

// RemoveRegion takes the name away; who has the region mapped keeps it.
func RemoveRegion(name string) { _ = os.Remove(path(name)) }

func word(region []byte, offset int) *uint32 {
	return (*uint32)(unsafe.Pointer(&region[offset]))
}

type lanes struct {
	requestWord  *uint32
	responseWord *uint32
	request      []byte
	response     []byte
}

func lanesOf(region []byte, layout Layout, size uint32) lanes {
	payload := 8
	if layout == Neighbours {
		payload = 64
	}
	second := secondBlock
	switch layout {
	case OneLine:
		second = firstBlock
	case Far:
		second = firstBlock + 64
	}
	request, response := firstBlock+payload, second+payload
	if layout == Far {
		request, response = farRequest, farResponse
	}
	return lanes{
		requestWord:  word(region, firstBlock),
		responseWord: word(region, second),
		request:      region[request : request+int(size)],
		response:     region[response : response+int(size)],
	}
}
