// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"sort"
	"strings"
)

type machine struct {
	Processor  string  `json:"processor"`
	Virtual    string  `json:"virtual_machine"` // yes, no, unknown
	Processors int     `json:"usable_processors"`
	System     string  `json:"system"`
	Kernel     string  `json:"kernel"`
	Arch       string  `json:"architecture"`
	Compiler   string  `json:"compiler"`
	Time       string  `json:"time"`
	Load       float64 `json:"load_average"`
}

type contender struct {
	Name      string    `json:"name"`
	Kind      string    `json:"kind"`
	MedianNs  float64   `json:"median_ns"`
	Median    float64   `json:"ratio_median"`
	P10       float64   `json:"ratio_p10"`
	P90       float64   `json:"ratio_p90"`
	TimesOurs float64   `json:"times_ours_median"`
	ByStart   []float64 `json:"ratio_medians_by_start"`
	Calls     []float64 `json:"calls_ns"`
	Ns        histogram `json:"ns"`          // of single requests, where they were timed
	HostCPU   float64   `json:"host_cpu_ns"` // for each request, where that was measured
	GuestCPU  float64   `json:"guest_cpu_ns"`
}

type size struct {
	Bytes      int         `json:"bytes"`
	Depth      int         `json:"depth"`     // requests in flight, of pipelines
	Direction  string      `json:"direction"` // of a stream's message: "request" or "response"
	Slot       int         `json:"slot"`      // bytes of a stream's slot in each direction
	Rounds     int         `json:"rounds"`
	Limit      string      `json:"limit"`
	Absent     string      `json:"absent"`
	Contenders []contender `json:"contenders"`
}

type histogram struct {
	Count   float64      `json:"count"`
	P50     float64      `json:"p50"`
	P90     float64      `json:"p90"`
	P99     float64      `json:"p99"`
	P999    float64      `json:"p99.9"`
	P9999   float64      `json:"p99.99"`
	Max     float64      `json:"max"`
	Packed  []int        `json:"buckets"`
	Buckets [][2]float64 `json:"-"` // the largest value that each takes, and its count
}

const bucketBits = 6 // 64 buckets for each power of two

// bucketEnd is the largest value that a bucket of host/histogram.h takes.
func bucketEnd(bucket int) float64 {
	const linear = 1 << bucketBits
	if bucket < 2*linear {
		return float64(bucket)
	}
	shift := bucket/linear - 1
	return math.Ldexp(float64(bucket-shift*linear)+1, shift) - 1
}

// unpack makes buckets of the list in which host/json.c writes them.
func (h *histogram) unpack() error {
	if len(h.Packed)%2 != 0 {
		return fmt.Errorf("a histogram's buckets are %d numbers, which is odd", len(h.Packed))
	}
	bucket := 0
	for i := 0; i < len(h.Packed); i += 2 {
		bucket += h.Packed[i]
		h.Buckets = append(h.Buckets, [2]float64{bucketEnd(bucket), float64(h.Packed[i+1])})
	}
	h.Packed = nil
	return nil
}

// result is one line of latency, throughput or pairs.
type result struct {
	Name    string    `json:"name"`
	Kind    string    `json:"kind"`
	Bytes   int       `json:"bytes"`
	Threads int       `json:"threads"`
	Ns      histogram `json:"ns"`

	Trips    float64 `json:"round_trips"`
	HostCPU  float64 `json:"host_cpu_seconds"`
	GuestCPU float64 `json:"guest_cpu_seconds"`

	Pairs           int       `json:"pairs"`
	WorstOfMedian   float64   `json:"worst_of_median"`
	HostProcessors  []float64 `json:"host_processors"`
	GuestProcessors []float64 `json:"guest_processors"`
	Rates           rates     `json:"round_trips_per_second"`
}

// rates is one number in throughput, one for each run in pairs.
type rates []float64

func (r *rates) UnmarshalJSON(text []byte) error {
	var one float64
	if json.Unmarshal(text, &one) == nil {
		*r = rates{one}
		return nil
	}
	return json.Unmarshal(text, (*[]float64)(r))
}

type cost struct {
	Switches float64 `json:"context_switches"`
	Ticks    float64 `json:"cpu_ticks"`
	Ns       float64 `json:"cpu_ns"`
}

// part is the JSON file of one run of a host.
type part struct {
	Mode    string  `json:"mode"`
	Library string  `json:"library"`
	Wait    string  `json:"wait"`
	Pinned  string  `json:"pinned"`
	Workers string  `json:"workers"` // of a pipeline's slots: "one" for all, or "each" one
	Machine machine `json:"machine"`
	Peer    struct {
		Name    string `json:"name"`
		Version string `json:"version"`
		Waiting string `json:"waiting"`
	} `json:"peer"`
	Sizes   []size   `json:"sizes"`
	Results []result `json:"results"`

	Slots   int     `json:"slots"`
	Seconds float64 `json:"seconds"`
	Host    *cost   `json:"host_cost"`
	Guest   *cost   `json:"guest_cost"`

	CreateUs         []float64 `json:"create_us"`
	AttachUs         []float64 `json:"attach_us"`
	WorkersUs        []float64 `json:"workers_us"`
	HostKiB          []float64 `json:"host_private_kib"`
	GuestKiB         []float64 `json:"guest_private_kib"`
	GuestWithWorkers []float64 `json:"guest_private_with_workers_kib"`
}

type results struct {
	parts  map[string]*part // by the file's name without .json
	absent [][2]string      // peers, and why
}

func load(folder string) (*results, error) {
	files, err := filepath.Glob(filepath.Join(folder, "*.json"))
	if err != nil {
		return nil, err
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("there is no *.json in %s", folder)
	}
	found := &results{parts: map[string]*part{}}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		var p part
		if err := json.Unmarshal(text, &p); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		for i := range p.Results {
			if err := p.Results[i].Ns.unpack(); err != nil {
				return nil, fmt.Errorf("%s: %w", file, err)
			}
		}
		found.parts[strings.TrimSuffix(filepath.Base(file), ".json")] = &p
	}
	text, _ := os.ReadFile(filepath.Join(folder, "peers-absent.txt")) // there is none if all are there
	for _, line := range strings.Split(strings.TrimSpace(string(text)), "\n") {
		if at := strings.Index(line, ": "); at > 0 {
			found.absent = append(found.absent, [2]string{line[:at], line[at+2:]})
		}
	}
	return found, nil
}

// names are those of the parts that begin so, in order.
func (r *results) names(prefix string) []string {
	var found []string
	for name := range r.parts {
		if strings.HasPrefix(name, prefix) {
			found = append(found, name)
		}
	}
	sort.Strings(found)
	return found
}

// ratio is the contender's line of a size; nil if it was not measured.
func (r *results) ratio(part, caller string, bytes int) *contender {
	return r.pipeline(part, caller, bytes, 0)
}

// pipeline is the same of a depth.
func (r *results) pipeline(part, caller string, bytes, depth int) *contender {
	p := r.parts[part]
	if p == nil {
		return nil
	}
	for _, s := range p.Sizes {
		for i := range s.Contenders {
			if s.Bytes == bytes && s.Depth == depth && s.Contenders[i].Name == caller {
				return &s.Contenders[i]
			}
		}
	}
	return nil
}

// stream is what the stream did in a direction, as its part has it first; nil if it was not measured.
func (r *results) stream(part, direction string, bytes int) *contender {
	p := r.parts[part]
	if p == nil {
		return nil
	}
	for _, s := range p.Sizes {
		for i := range s.Contenders {
			if s.Bytes == bytes && s.Direction == direction && s.Contenders[i].Kind == "library" {
				return &s.Contenders[i]
			}
		}
	}
	return nil
}

func (r *results) find(part string, wanted func(*result) bool) *result {
	if p := r.parts[part]; p != nil {
		for i := range p.Results {
			if wanted(&p.Results[i]) {
				return &p.Results[i]
			}
		}
	}
	return nil
}

func percentile(values []float64, share float64) float64 {
	if len(values) == 0 {
		return math.NaN()
	}
	sorted := append([]float64(nil), values...)
	sort.Float64s(sorted)
	rank := int(math.Ceil(share*float64(len(sorted)))) - 1
	if rank < 0 {
		rank = 0
	}
	return sorted[rank]
}

func median(values []float64) float64 { return percentile(values, 0.5) }

// anyPart is one of them, for what all have in common: the one that began first.
func (r *results) anyPart() *part {
	var first *part
	for _, name := range r.names("") {
		if p := r.parts[name]; first == nil || p.Machine.Time < first.Machine.Time {
			first = p
		}
	}
	return first
}

func describe(r *results) string {
	m := r.anyPart().Machine
	least, most := math.Inf(1), 0.0
	for _, p := range r.parts {
		least, most = math.Min(least, p.Machine.Load), math.Max(most, p.Machine.Load)
	}
	virtual := map[string]string{"yes": " in a virtual machine"}[m.Virtual]
	return fmt.Sprintf("%s, %d processors for this run%s, %s %s, %s, compiler %s; SimpleIPC %s; begun %s; load average %.1f to %.1f.\n"+
		"L is the bare limit of the same moment, measured in turn in the same two processes.\n",
		m.Processor, m.Processors, virtual, m.System, m.Kernel, m.Arch, m.Compiler, r.anyPart().Library, m.Time, least, most)
}
