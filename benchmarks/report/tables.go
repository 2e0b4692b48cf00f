// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"strings"
)

// The peers in the order in which they are told.
var peerOrder = []string{"futex", "eventfd", "pipe", "unix_socket", "message_queue", "zeromq", "nng", "boost", "iceoryx", "iceoryx2"}

var peerSizes = []int{8, 64, 1024, 65536}

func bytesText(bytes int) string {
	switch {
	case bytes >= 1<<30:
		return fmt.Sprintf("%d GiB", bytes>>30)
	case bytes >= 1<<20:
		return fmt.Sprintf("%d MiB", bytes>>20)
	case bytes >= 1<<14:
		return fmt.Sprintf("%d KiB", bytes>>10)
	}
	return fmt.Sprintf("%d B", bytes)
}

// limitNs is the median of the bare limit.
func (s *size) limitNs() float64 {
	for _, c := range s.Contenders {
		if c.Name == s.Limit {
			return c.MedianNs
		}
	}
	return missing
}

func peerContender(p *part, bytes int, kind string) (*contender, string) {
	for _, s := range p.Sizes {
		if s.Bytes != bytes {
			continue
		}
		for i := range s.Contenders {
			if s.Contenders[i].Kind == kind {
				return &s.Contenders[i], ""
			}
		}
		return nil, s.Absent
	}
	return nil, ""
}

// oursBeside is what the library's call cost in turn with the peers: the range of the medians.
func oursBeside(r *results, bytes int) string {
	var ns, ratios []float64
	for _, name := range peerOrder {
		if p := r.parts["peer-"+name]; p != nil {
			if c, _ := peerContender(p, bytes, "library"); c != nil {
				ns, ratios = append(ns, c.MedianNs), append(ratios, c.Median)
			}
		}
	}
	if len(ns) == 0 {
		return "-"
	}
	return fmt.Sprintf("%.0f to %.0f / %.2f / 1", percentile(ns, 0), percentile(ns, 1), median(ratios))
}

func peerLine(p *part) string {
	line := fmt.Sprintf("| %s %s | %s |", p.Peer.Name, p.Peer.Version, p.Peer.Waiting)
	for _, bytes := range peerSizes {
		c, absent := peerContender(p, bytes, "peer")
		switch {
		case c != nil:
			line += fmt.Sprintf(" %s / %s / **%s** |", number(roundNs(c.MedianNs)), number(c.Median), number(c.TimesOurs))
		case absent != "":
			line += " absent: " + absent + " |"
		default:
			line += " - |"
		}
	}
	return line + "\n"
}

func roundNs(ns float64) float64 { return float64(int64(ns + 0.5)) }

func peersTable(r *results) string {
	var lines strings.Builder
	for _, name := range peerOrder {
		if p := r.parts["peer-"+name]; p != nil {
			lines.WriteString(peerLine(p))
		}
	}
	for _, absent := range r.absent {
		fmt.Fprintf(&lines, "| %s | absent: %s | | | | |\n", absent[0], absent[1])
	}
	if lines.Len() == 0 {
		return ""
	}
	var text strings.Builder
	text.WriteString("\n## Peers\n\nRequest and response between two pinned processes, both copied in and out, each peer in turn with our session and the bare\n" +
		"limit in the same two processes. Each field: median ns / times L / **times ours**.\n\n| | waits how |")
	for _, bytes := range peerSizes {
		text.WriteString(" " + bytesText(bytes) + " |")
	}
	text.WriteString("\n|---|---|---|---|---|---|\n| SimpleIPC, C session | spins, yields, sleeps |")
	for _, bytes := range peerSizes {
		text.WriteString(" " + oursBeside(r, bytes) + " |")
	}
	return text.String() + "\n" + lines.String()
}

// ---- All that was measured -----------------------------------------------------------------------

func ratioTable(r *results) string {
	text := ""
	for _, name := range r.names("ratio-") {
		text += fmt.Sprintf("\n### %s: times the bare limit L\n\n| bytes | L, layout | caller | ns | median | p10 | p90 | worst start | rounds |\n|---|---|---|---|---|---|---|---|---|\n", name)
		for _, s := range r.parts[name].Sizes {
			for _, c := range s.Contenders {
				if c.Kind == "library" {
					text += fmt.Sprintf("| %s | %.0f ns, %s | %s | %.0f | %.2f | %.2f | %.2f | %.2f | %d |\n",
						bytesText(s.Bytes), s.limitNs(), s.Limit, c.Name, c.MedianNs, c.Median, c.P10, c.P90, percentile(c.ByStart, 1), s.Rounds)
				}
			}
		}
	}
	return text
}

func pipelinedTable(r *results) string {
	workers := map[string]string{"one": "one worker for all of them", "each": "a worker for each of them"}
	text := ""
	for _, name := range r.names("pipelined-") {
		p := r.parts[name]
		text += fmt.Sprintf("\n### %s: one calling thread with so many requests in flight, %s\n\nA share is that of the bare pipelined limit of the same moment.\n\n"+
			"| bytes | in flight | bare limit | caller | M/s | share: median | p10 | p90 | worst start | rounds | CPU ns for each: host | guest | ns of one: p50 | p99 | p99.9 | p99.99 | max |\n|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|\n", name, workers[p.Workers])
		for _, s := range p.Sizes {
			for _, c := range s.Contenders {
				if c.Kind == "library" {
					text += fmt.Sprintf("| %s | %d | %.1f M/s, %s | %s | %.2f | %.2f | %.2f | %.2f | %.2f | %d |%s%s\n", bytesText(s.Bytes), s.Depth,
						1e3/s.limitNs(), s.Limit, c.Name, 1e3/c.MedianNs, 1/c.Median, 1/c.P90, 1/c.P10, 1/percentile(c.ByStart, 1), s.Rounds, c.costs(), c.singles())
				}
			}
		}
	}
	return text
}

func streamingTable(r *results) string {
	workers := map[string]string{"one": "one worker for all slots", "each": "a worker for each slot"}
	text := ""
	for _, name := range r.names("streaming-") {
		p := r.parts[name]
		text += fmt.Sprintf("\n### %s: streams through 4 slots, %s in the guest\n\nA share is that of a pipeline of memcpy of the same moment.\n\n"+
			"| message | bytes | slot | pipeline of memcpy | stream | GB/s | share: median | p10 | p90 | rounds |\n|---|---|---|---|---|---|---|---|---|---|\n", name, workers[p.Workers])
		for _, s := range p.Sizes {
			for _, c := range s.Contenders {
				if c.Kind == "library" {
					text += fmt.Sprintf("| %s | %s | %s | %.2f GB/s, %s | %s | %.2f | %.2f | %.2f | %.2f | %d |\n", s.Direction, bytesText(s.Bytes), bytesText(s.Slot),
						float64(s.Bytes)/s.limitNs(), s.Limit, c.Name, float64(s.Bytes)/c.MedianNs, 1/c.Median, 1/c.P90, 1/c.P10, s.Rounds)
				}
			}
		}
	}
	return text
}

// costs are the cells that tell what processor time one request took on each side.
func (c *contender) costs() string {
	if c.HostCPU == 0 && c.GuestCPU == 0 {
		return " - | - |"
	}
	return fmt.Sprintf(" %.0f | %.0f |", c.HostCPU, c.GuestCPU)
}

// singles are the cells that tell how long one request took among those in flight.
func (c *contender) singles() string {
	h := &c.Ns
	if h.Count == 0 {
		return strings.Repeat(" - |", 5)
	}
	return fmt.Sprintf(" %.0f | %.0f | %.0f | %.0f | %.0f |", h.P50, h.P99, h.P999, h.P9999, h.Max)
}

func latencyTable(r *results) string {
	text := ""
	for _, name := range append(r.names("latency-"), r.names("peer-latency-")...) {
		text += fmt.Sprintf("\n### %s: ns of single round trips\n\n| bytes | threads | caller | p50 | p90 | p99 | p99.9 | p99.99 | max | samples |\n|---|---|---|---|---|---|---|---|---|---|\n", name)
		for _, l := range r.parts[name].Results {
			h := l.Ns
			text += fmt.Sprintf("| %s | %d | %s | %.0f | %.0f | %.0f | %.0f | %.0f | %.0f | %.0f |\n",
				bytesText(l.Bytes), l.Threads, l.Name, h.P50, h.P90, h.P99, h.P999, h.P9999, h.Max, h.Count)
		}
	}
	return text
}

func throughputTable(r *results) string {
	text := ""
	for _, name := range r.names("throughput-") {
		text += fmt.Sprintf("\n### %s: round trips, and processor time of each side\n\n| bytes | threads | caller | M/s | host ns of CPU for each | guest ns of CPU for each |\n|---|---|---|---|---|---|\n", name)
		for _, l := range r.parts[name].Results {
			text += fmt.Sprintf("| %s | %d | %s | %.2f | %.0f | %.0f |\n", bytesText(l.Bytes), l.Threads, l.Name,
				median(l.Rates)/1e6, l.HostCPU/l.Trips*1e9, l.GuestCPU/l.Trips*1e9)
		}
	}
	return text
}

func pairsTable(r *results) string {
	text := ""
	for _, name := range r.names("pairs-") {
		text += fmt.Sprintf("\n### %s: more pairs than processors\n\n| pairs | runs | median M/s | worst | best | worst of median | host CPUs | guest CPUs |\n|---|---|---|---|---|---|---|---|\n", name)
		for _, l := range r.parts[name].Results {
			text += fmt.Sprintf("| %d | %d | %.2f | %.2f | %.2f | %.2f | %.2f | %.2f |\n", l.Pairs, len(l.Rates), median(l.Rates)/1e6,
				percentile(l.Rates, 0)/1e6, percentile(l.Rates, 1)/1e6, l.WorstOfMedian, median(l.HostProcessors), median(l.GuestProcessors))
		}
	}
	return text
}

func asleepTable(r *results) string {
	p := r.parts["asleep-c"]
	if p == nil {
		return ""
	}
	text := "\n### asleep-c: single calls that begin when both sides sleep\n\n| bytes | caller | p50 ns | p90 ns | of a raw futex ping-pong | p90 |\n|---|---|---|---|---|---|\n"
	for _, s := range p.Sizes {
		for _, c := range s.Contenders {
			ratios := asleep(r, c.Name, s.Bytes)
			text += fmt.Sprintf("| %s | %s | %.0f | %.0f | %.2f | %.2f |\n", bytesText(s.Bytes), c.Name, median(c.Calls),
				percentile(c.Calls, 0.9), median(ratios), percentile(ratios, 0.9))
		}
	}
	return text
}

func details(r *results) string {
	return "\n## All that was measured\n\nEvery window, every bucket of the histograms and every run stands in the JSON files beside this one.\n" +
		ratioTable(r) + pipelinedTable(r) + streamingTable(r) + latencyTable(r) + throughputTable(r) + pairsTable(r) + asleepTable(r)
}
