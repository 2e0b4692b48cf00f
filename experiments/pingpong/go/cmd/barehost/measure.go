// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"errors"
	"fmt"
	"sort"
	"time"

	bare "github.com/xll-gen/shm/experiments/pingpong/go"
)

var layoutNames = [bare.Layouts]string{"one line", "own lines", "neighbours", "far"}

var errGuest = errors.New("the guest is gone or its response wrong")

type measurement struct {
	size        uint32
	rounds      int
	inPlace     bool
	nanoseconds [bare.Layouts][]float64      // a round trip of each round's window, timed as a whole
	trips       [bare.Layouts]bare.Histogram // single round trips, in ticks, of windows of their own
	request     []byte
	response    []byte
}

func tripsOf(size uint32) int {
	if size <= 1024 {
		return 400
	}
	if trips := 400 * 1024 / int(size); trips > 2 {
		return trips
	}
	return 2
}

// roundsOf is a fifth, but at least 20, where a window takes milliseconds.
func roundsOf(rounds int, size uint32) int {
	fewer := rounds / 5
	if fewer < 20 {
		fewer = 20
	}
	if size > 65536 && fewer < rounds {
		return fewer
	}
	return rounds
}

func (m *measurement) run(host *bare.Host, watch *guestWatch, trips int) bool {
	for i := 0; i < trips; i++ {
		if !host.Call(m.request, m.response) {
			return false
		}
		watch.answers++
	}
	return true
}

func (m *measurement) runSampled(host *bare.Host, watch *guestWatch, trips int,
	histogram *bare.Histogram) bool {
	for i := 0; i < trips; i++ {
		start := bare.Ticks()
		if !host.Call(m.request, m.response) {
			return false
		}
		histogram.Add(bare.Ticks() - start)
		watch.answers++
	}
	return true
}

// window does two windows in one opening: one timed as a whole, one trip by trip.
func (m *measurement) window(host *bare.Host, watch *guestWatch, layout bare.Layout, round int) error {
	trips := tripsOf(m.size)
	for i := range m.request { // no old response passes for a new one
		m.request[i] = byte(round + 1)
	}
	if err := host.Open(layout, m.size, m.inPlace); err != nil {
		return err
	}
	if !m.run(host, watch, trips/6+2) {
		return errGuest
	}
	start := time.Now()
	if !m.run(host, watch, trips) {
		return errGuest
	}
	m.nanoseconds[layout] = append(m.nanoseconds[layout],
		float64(time.Since(start).Nanoseconds())/float64(trips))
	if !m.runSampled(host, watch, trips, &m.trips[layout]) {
		return errGuest
	}
	host.Close()
	if !bytes.Equal(m.request, m.response) {
		return errGuest
	}
	return nil
}

func (m *measurement) measure(host *bare.Host, watch *guestWatch) error {
	first := 0
	if m.inPlace {
		first = int(bare.OwnLines)
	}
	count := int(bare.Layouts) - first
	for round := 0; round < m.rounds; round++ {
		for i := 0; i < count; i++ {
			// Another order each round: no layout always follows the same one.
			layout := bare.Layout(first + (i+round*7/3)%count)
			if err := m.window(host, watch, layout, round); err != nil {
				return fmt.Errorf("bare: %d bytes, %s: %w", m.size, layoutNames[layout], err)
			}
		}
	}
	return nil
}

// medianRatio is the median of values[i] / reference[i], or of the values alone.
func medianRatio(values, reference []float64) float64 {
	sorted := append([]float64(nil), values...)
	for i := range reference {
		sorted[i] /= reference[i]
	}
	sort.Float64s(sorted)
	return sorted[len(sorted)/2]
}

func (m *measurement) best() bare.Layout {
	best := bare.Neighbours
	for layout := bare.OneLine; layout < bare.Layouts; layout++ {
		if m.trips[layout].Count > 0 &&
			medianRatio(m.nanoseconds[layout], nil) < medianRatio(m.nanoseconds[best], nil) {
			best = layout
		}
	}
	return best
}

func (m *measurement) print(ticksPerNanosecond float64) {
	best := m.best()
	for layout := bare.OneLine; layout < bare.Layouts; layout++ {
		trips, windows := &m.trips[layout], m.nanoseconds[layout]
		if trips.Count == 0 {
			continue
		}
		mark := " "
		if layout == best {
			mark = "L"
		}
		fmt.Printf("%8d  %-10s %5.2f%s %9.0f |", m.size, layoutNames[layout],
			medianRatio(windows, m.nanoseconds[best]), mark, medianRatio(windows, nil))
		for _, share := range []float64{0.5, 0.9, 0.99, 0.999, 0.9999} {
			fmt.Printf(" %9.0f", float64(trips.Percentile(share))/ticksPerNanosecond)
		}
		fmt.Printf(" %9.0f %9d\n", float64(trips.Largest)/ticksPerNanosecond, trips.Count)
	}
}

func measureAll(host *bare.Host, watch *guestWatch, o *options) error {
	ticksPerNanosecond := bare.TicksPerNanosecond()
	fmt.Printf("%8s  %-10s %6s %9s | %9s %9s %9s %9s %9s %9s %9s\n", "bytes", "layout", "to L",
		"median ns", "p50", "p90", "p99", "p99.9", "p99.99", "max", "samples")
	for _, size := range o.sizes {
		m := &measurement{size: size, rounds: roundsOf(o.rounds, size), inPlace: o.inPlace}
		m.request, m.response = make([]byte, size), make([]byte, size)
		if err := m.measure(host, watch); err != nil {
			return err
		}
		m.print(ticksPerNanosecond)
	}
	return nil
}
