// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func decode(t *testing.T, text string) *part {
	t.Helper()
	var p part
	if err := json.Unmarshal([]byte(text), &p); err != nil {
		t.Fatal(err)
	}
	return &p
}

func TestVerdicts(t *testing.T) {
	most, least := goal{bound: 1.5}, goal{bound: 2, least: true}
	for _, c := range []struct {
		g      goal
		figure float64
		want   string
	}{
		{most, 1.5, "met"}, {most, 1.51, "**missed**"}, {least, 2, "met"}, {least, 1.9, "**missed**"},
		{least, math.NaN(), "not measured"},
	} {
		if got := c.g.verdict(c.figure); got != c.want {
			t.Errorf("%v against %v: %s, want %s", c.figure, c.g.bound, got, c.want)
		}
	}
}

func TestRatesAreOneOrMany(t *testing.T) {
	one := decode(t, `{"results": [{"round_trips_per_second": 3}, {"round_trips_per_second": [1, 2, 5]}]}`)
	if got := median(one.Results[0].Rates); got != 3 {
		t.Error("one rate:", got)
	}
	if got := median(one.Results[1].Rates); got != 2 {
		t.Error("the median of three:", got)
	}
}

func TestCurveKeepsEverySample(t *testing.T) {
	h := histogram{Count: 100, Max: 70, Buckets: [][2]float64{{10, 90}, {50, 9}, {71, 1}}}
	points := percentileCurve("", &h).points
	want := [][]float64{{10, 10}, {100, 50}, {200, 70}}
	if len(points) != len(want) {
		t.Fatal(points)
	}
	for i := range want {
		if points[i][0] != want[i][0] || points[i][1] != want[i][1] {
			t.Errorf("point %d: %v, want %v", i, points[i], want[i])
		}
	}
}

func TestOnlyWhatCannotBeSeenIsLeftOut(t *testing.T) {
	c := thinned(curve{points: [][]float64{{1, 10}, {1.001, 10}, {1.001, 10.2}, {2, 10.2}, {2.001, 10.201}}})
	if len(c.points) != 4 || c.points[1][1] != 10.2 || c.points[3][0] != 2.001 {
		t.Error(c.points)
	}
}

// The ends are those of host/histogram.h: 64 buckets for each power of two.
func TestBucketsAreUnpacked(t *testing.T) {
	h := histogram{Packed: []int{0, 1, 127, 2, 1, 3, 64, 4}}
	if err := h.unpack(); err != nil {
		t.Fatal(err)
	}
	want := [][2]float64{{0, 1}, {127, 2}, {129, 3}, {259, 4}}
	if len(h.Buckets) != len(want) {
		t.Fatal(h.Buckets)
	}
	for i := range want {
		if h.Buckets[i] != want[i] {
			t.Errorf("bucket %d: %v, want %v", i, h.Buckets[i], want[i])
		}
	}
	if (&histogram{Packed: []int{1}}).unpack() == nil {
		t.Error("a bucket without a count, and no error")
	}
}

func TestAShareIsTheInverseOfARatio(t *testing.T) {
	p := decode(t, `{"workers": "one", "sizes": [
		{"bytes": 48, "depth": 8, "contenders": [{"name": "C pipeline", "kind": "library", "ratio_median": 9}]},
		{"bytes": 48, "depth": 16, "limit": "one line", "contenders": [
			{"name": "one line", "kind": "bare", "median_ns": 10},
			{"name": "C pipeline", "kind": "library", "median_ns": 12.5, "ratio_median": 1.25, "ratio_p10": 1, "ratio_p90": 2, "ratio_medians_by_start": [1.25],
				"host_cpu_ns": 13.1, "guest_cpu_ns": 12.6}]}]}`)
	r := &results{parts: map[string]*part{"pipelined-c": p}}
	g := pipelinedGoal("", "pipelined-c", 0.7)
	if figure, beside := g.measure(r); figure != 0.8 || beside != "p10 0.50, p90 1.00; 80.0 M/s" {
		t.Error(figure, beside)
	}
	if !strings.Contains(pipelinedTable(r), "| 48 B | 16 | 100.0 M/s, one line | C pipeline | 80.00 | 0.80 | 0.50 | 1.00 | 0.80 | 0 | 13 | 13 |") {
		t.Error(pipelinedTable(r))
	}
	if r.ratio("pipelined-c", "C pipeline", 48) != nil {
		t.Error("a pipeline was taken for single calls")
	}
}

func TestAStreamIsAsGoodAsItsWorseDirection(t *testing.T) {
	p := decode(t, `{"workers": "one", "sizes": [
		{"bytes": 1048576, "direction": "request", "slot": 262144, "rounds": 9, "limit": "two buffers", "contenders": [
			{"name": "two buffers", "kind": "bare", "median_ns": 104857.6, "ratio_median": 1},
			{"name": "C stream", "kind": "library", "median_ns": 131072, "ratio_median": 1.25, "ratio_p10": 1, "ratio_p90": 2}]},
		{"bytes": 1048576, "direction": "response", "contenders": [
			{"name": "C stream", "kind": "library", "median_ns": 104857.6, "ratio_median": 2, "ratio_p10": 1, "ratio_p90": 4}]}]}`)
	r := &results{parts: map[string]*part{"streaming-c": p}}
	g := streamGoal("", "streaming-c", 1<<20)
	if figure, beside := g.measure(r); figure != 0.5 || beside != "request 0.80, p10 0.50, 8.0 GB/s; response 0.50, p10 0.25, 10.0 GB/s" {
		t.Error(figure, beside)
	}
	other := streamGoal("", "streaming-c", 64<<20)
	if figure, _ := other.measure(r); !math.IsNaN(figure) {
		t.Error("a size that was not measured:", figure)
	}
	if !strings.Contains(streamingTable(r), "| request | 1 MiB | 256 KiB | 10.00 GB/s, two buffers | C stream | 8.00 | 0.80 | 0.50 | 1.00 | 9 |") {
		t.Error(streamingTable(r))
	}
}

func TestAPercentileNeedsSamplesBehindIt(t *testing.T) {
	p := decode(t, `{"results": [
		{"name": "own lines", "kind": "bare", "bytes": 64, "threads": 1, "ns": {"count": 100000, "p99.9": 100, "p99.99": 200}},
		{"name": "C session", "kind": "library", "bytes": 64, "threads": 1, "ns": {"count": 100000, "p99.9": 150, "p99.99": 200}}]}`)
	r := &results{parts: map[string]*part{"latency-c": p}}
	for _, g := range goals() {
		figure, _ := g.measure(r)
		if strings.HasPrefix(g.what, "p99.9,") && figure != 1.5 {
			t.Error(g.what, figure)
		}
		if strings.HasPrefix(g.what, "p99.99,") && !math.IsNaN(figure) {
			t.Error(g.what, "told from 10 samples:", figure)
		}
	}
}

func TestBoundsAreKeptOnlyIfMeasured(t *testing.T) {
	bounds, err := readBounds(filepath.Join("..", "gate", "ratios.txt"))
	if err != nil {
		t.Fatal(err)
	}
	p := decode(t, `{"sizes": [{"bytes": 8, "contenders": [{"name": "C session", "kind": "library", "ratio_median": 1.2}]}]}`)
	r := &results{parts: map[string]*part{"ratio-c": p}}
	if err := keep(r, bounds[:1]); err != nil {
		t.Error("a kept bound:", err)
	}
	if keep(r, bounds) == nil {
		t.Error("bounds that were not measured were kept")
	}
	p.Sizes[0].Contenders[0].Median = 9
	if keep(r, bounds[:1]) == nil {
		t.Error("a broken bound was kept")
	}
}

func TestAFolderWithoutResultsIsAnError(t *testing.T) {
	if report(t.TempDir()) == nil {
		t.Error("no results, and no error")
	}
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "a.json"), []byte("{"), 0o644); err != nil {
		t.Fatal(err)
	}
	if report(folder) == nil {
		t.Error("broken results, and no error")
	}
}
