// SPDX-License-Identifier: Apache-2.0

package bare

import (
	"math"
	"math/bits"
	"time"
)

// Histogram counts every sample, whatever its size, in buckets at most 1/64 of their value wide;
// the largest sample is exact. Values below 128 have a bucket each; every further power of two
// has 64. The zero Histogram is empty and ready.
type Histogram struct {
	Count   uint64
	Largest uint64
	buckets [128 + 57*64]uint64
}

func bucketOf(value uint64) int {
	if value < 128 {
		return int(value)
	}
	// The six bits below the highest one choose among the 64 buckets of its power of two.
	power := bits.Len64(value) - 1
	return 128 + (power-7)*64 + int(value>>(power-6)&63)
}

func lastValueOf(bucket int) uint64 {
	if bucket < 128 {
		return uint64(bucket)
	}
	shift := (bucket-128)/64 + 1
	return uint64(64+(bucket-128)%64)<<shift + 1<<shift - 1
}

// Add counts a sample.
func (h *Histogram) Add(value uint64) {
	if value > h.Largest {
		h.Largest = value
	}
	h.Count++
	h.buckets[bucketOf(value)]++
}

// Percentile is the value that share (0 to 1) of the samples do not exceed, at most 1/64 above it.
func (h *Histogram) Percentile(share float64) uint64 {
	rank := uint64(math.Ceil(share * float64(h.Count)))
	var seen uint64
	for i, count := range h.buckets {
		seen += count
		if seen >= rank && seen > 0 {
			if value := lastValueOf(i); value < h.Largest {
				return value
			}
			break
		}
	}
	return h.Largest
}

// TicksPerNanosecond measures the unit of Ticks; it takes 50 milliseconds.
func TicksPerNanosecond() float64 {
	began, first := time.Now(), Ticks()
	for time.Since(began) < 50*time.Millisecond {
	}
	last, spent := Ticks(), time.Since(began)
	return float64(last-first) / float64(spent)
}
