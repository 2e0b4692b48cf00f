// SPDX-License-Identifier: Apache-2.0

package bare

import (
	"bytes"
	"math"
	"testing"
	"time"
)

func TestHistogramCountsEverySampleWithinOne64th(t *testing.T) {
	var h Histogram
	for value := uint64(1); value < math.MaxUint64/3; value *= 3 {
		if last := lastValueOf(bucketOf(value)); last < value || float64(last-value) > float64(value)/64 {
			t.Errorf("bucket of %d ends at %d", value, last)
		}
		h.Add(value)
	}
	h.Add(math.MaxUint64)
	if got := h.Percentile(1); got != math.MaxUint64 || h.Largest != got {
		t.Errorf("largest is %d", got)
	}
	if got := h.Percentile(0); got != 1 {
		t.Errorf("smallest is %d", got)
	}
}

func TestEveryLayoutStaysInsideTheRegionAndApart(t *testing.T) {
	region := make([]byte, RegionBytes)
	for layout := OneLine; layout < Layouts; layout++ {
		lanes := lanesOf(region, layout, MaxSize)
		for i := range lanes.request {
			lanes.request[i] = 0xff
		}
		for i := range lanes.response {
			lanes.response[i] = 0xff
		}
		if *lanes.requestWord != 0 || *lanes.responseWord != 0 {
			t.Errorf("layout %d: a payload overwrites a word", layout)
		}
		for i := range region {
			region[i] = 0
		}
	}
}

func TestCallsAreAnsweredInEveryLayoutAndSize(t *testing.T) {
	region := make([]byte, RegionBytes)
	host := NewHost(region, nil)
	invert := func(request, response []byte) {
		for i, b := range request {
			response[i] = ^b
		}
	}
	guest, err := NewGuest(region, invert, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, there := host.AwaitGuest(time.Second); !there {
		t.Fatal("the guest is not there")
	}
	done := make(chan error)
	go func() {
		more, err := true, error(nil)
		for more && err == nil {
			more, err = guest.ServeWindow()
		}
		done <- err
	}()
	for _, size := range []uint32{0, 1, 7, 8, 31, 32, 63, 64, 65, 1000, MaxSize} {
		for layout := OneLine; layout < Layouts; layout++ {
			callOnce(t, host, layout, size)
		}
	}
	host.Quit()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func callOnce(t *testing.T, host *Host, layout Layout, size uint32) {
	t.Helper()
	request := bytes.Repeat([]byte{byte(size), byte(layout), 3}, int(size)/3+1)[:size]
	wanted, response := make([]byte, size), make([]byte, size)
	for i, b := range request {
		wanted[i] = ^b
	}
	if err := host.Open(layout, size, layout != OneLine); err != nil {
		t.Fatal(err)
	}
	if !host.Call(request, response) || !bytes.Equal(wanted, response) {
		t.Errorf("layout %d, %d bytes: wrong response", layout, size)
	}
	host.Close()
}

func TestBadWindowsAndNamesAreRefused(t *testing.T) {
	host := NewHost(make([]byte, RegionBytes), nil)
	if host.Open(Layouts, 8, false) == nil || host.Open(Far, MaxSize+1, false) == nil ||
		host.Open(OneLine, 8, true) == nil {
		t.Error("a window that makes no sense was opened")
	}
	for _, name := range []string{"", "a/b", string(make([]byte, 201))} {
		if CheckName(name) == nil {
			t.Errorf("name %q was accepted", name)
		}
	}
}
