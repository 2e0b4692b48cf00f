// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"math"
	"strings"
)

// A goal is one line of the table. Its figure is not a number if it was not measured.
type goal struct {
	what  string
	unit  string // printed behind both figures
	bound float64
	least bool // the figure shall be at least the bound; otherwise at most
	// The figure, and what is to be said beside it.
	measure func(*results) (float64, string)
}

var missing = math.NaN()

// Samples that must be slower than a percentile for it to be told.
const leastBehind = 20

func ratioGoal(what, part, caller string, bytes int, bound float64) goal {
	return goal{what, " L", bound, false, func(r *results) (float64, string) {
		c := r.ratio(part, caller, bytes)
		if c == nil {
			return missing, ""
		}
		return c.Median, fmt.Sprintf("p10 %.2f, p90 %.2f, worst start %.2f; %.0f ns", c.P10, c.P90, percentile(c.ByStart, 1), c.MedianNs)
	}}
}

func ratioP90Goal(what, part, caller string, bytes int, bound float64) goal {
	return goal{what, " L", bound, false, func(r *results) (float64, string) {
		c := r.ratio(part, caller, bytes)
		if c == nil {
			return missing, ""
		}
		return c.P90, ""
	}}
}

func pipelinedGoal(what, part string, bound float64) goal {
	return goal{what, " of the bare pipelined limit", bound, true, func(r *results) (float64, string) {
		const bytes, depth = 48, 16
		c := r.pipeline(part, "C pipeline", bytes, depth)
		if c == nil {
			return missing, ""
		}
		beside := fmt.Sprintf("p10 %.2f, p90 %.2f; %.1f M/s", 1/c.P90, 1/c.P10, 1e3/c.MedianNs)
		if untimed := r.pipeline(part, "C, no timeout", bytes, depth); untimed != nil {
			beside += fmt.Sprintf("; without a timeout %.2f", 1/untimed.Median)
		}
		return 1 / c.Median, beside
	}}
}

// streamGoal is of the direction that does worse.
func streamGoal(pair, part string, bytes int) goal {
	return goal{fmt.Sprintf("stream of %s, %s", bytesText(bytes), pair), " of a pipeline of memcpy", 0.8, true, func(r *results) (float64, string) {
		request, response := r.stream(part, "request", bytes), r.stream(part, "response", bytes)
		if request == nil || response == nil {
			return missing, ""
		}
		speed := func(c *contender) string {
			return fmt.Sprintf("%.2f, p10 %.2f, %.1f GB/s", 1/c.Median, 1/c.P90, float64(bytes)/c.MedianNs)
		}
		return 1 / math.Max(request.Median, response.Median), fmt.Sprintf("request %s; response %s", speed(request), speed(response))
	}}
}

func pairsGoals(pairs int) []goal {
	find := func(r *results) *result {
		return r.find("pairs-c", func(line *result) bool { return line.Pairs == pairs })
	}
	return []goal{
		{fmt.Sprintf("%d pairs on two cores, calls in total", pairs), " M/s", 2, true,
			func(r *results) (float64, string) {
				line := find(r)
				if line == nil {
					return missing, ""
				}
				return median(line.Rates) / 1e6, fmt.Sprintf("median of %d runs", len(line.Rates))
			}},
		{fmt.Sprintf("%d pairs, the worst run", pairs), " of the median", 0.8, true,
			func(r *results) (float64, string) {
				line := find(r)
				if line == nil {
					return missing, ""
				}
				return line.WorstOfMedian, fmt.Sprintf("best %.2f", percentile(line.Rates, 1)/median(line.Rates))
			}},
	}
}

// asleep is the ratio of single calls of a caller to those through the raw futex in turn with them.
func asleep(r *results, caller string, bytes int) []float64 {
	p := r.parts["asleep-c"]
	if p == nil {
		return nil
	}
	for _, s := range p.Sizes {
		if s.Bytes != bytes {
			continue
		}
		raw := s.Contenders[len(s.Contenders)-1].Calls
		for _, c := range s.Contenders {
			if c.Name != caller {
				continue
			}
			ratios := make([]float64, len(c.Calls))
			for i := range ratios {
				ratios[i] = c.Calls[i] / raw[i]
			}
			return ratios
		}
	}
	return nil
}

func asleepGoal(bytes int) goal {
	return goal{fmt.Sprintf("both sides asleep before each call, %d B", bytes), " of a raw futex ping-pong", 1.15, false,
		func(r *results) (float64, string) {
			ratios := asleep(r, "C session", bytes)
			return median(ratios), fmt.Sprintf("p90 %.2f", percentile(ratios, 0.9))
		}}
}

// tailGoal compares a percentile of single round trips with that of the bare limit in turn with them.
// It needs enough samples behind it to mean something.
func tailGoal(name string, share float64, of func(*histogram) float64) goal {
	return goal{name + ", pinned pair, C session, 64 B", " of the bare limit's own", 1.5, false,
		func(r *results) (float64, string) {
			line := func(wanted func(*result) bool) *result {
				return r.find("latency-c", func(l *result) bool { return l.Threads == 1 && l.Bytes == 64 && wanted(l) })
			}
			ours := line(func(l *result) bool { return l.Name == "C session" })
			bare := line(func(l *result) bool { return l.Kind == "bare" })
			if ours == nil || bare == nil || math.Min(ours.Ns.Count, bare.Ns.Count)*(1-share) < leastBehind {
				return missing, ""
			}
			return of(&ours.Ns) / of(&bare.Ns), fmt.Sprintf("%.0f against %.0f ns", of(&ours.Ns), of(&bare.Ns))
		}}
}

func idleGoal(part, what, unit string, of func(*cost) float64) goal {
	return goal{what, unit, 0, false, func(r *results) (float64, string) {
		p := r.parts[part]
		if p == nil || p.Host == nil || p.Guest == nil {
			return missing, ""
		}
		return of(p.Host) + of(p.Guest),
			fmt.Sprintf("host %.0f, guest %.0f in %.0f s", of(p.Host), of(p.Guest), p.Seconds)
	}}
}

func idleGoals(part, guest string) []goal {
	return []goal{
		idleGoal(part, "idle, 64 slots attached, both sides, "+guest, " context switches",
			func(c *cost) float64 { return c.Switches }),
		idleGoal(part, "idle, 64 slots attached, both sides, "+guest, " CPU ticks", func(c *cost) float64 { return c.Ticks }),
	}
}

func startGoal(from, what, unit string, bound float64, of func(*part) []float64) goal {
	return goal{what, unit, bound, false, func(r *results) (float64, string) {
		p := r.parts[from]
		if p == nil || len(of(p)) == 0 {
			return missing, ""
		}
		values := of(p)
		if len(values) == 1 {
			return values[0], ""
		}
		return median(values), fmt.Sprintf("p90 %.0f, worst %.0f of %d", percentile(values, 0.9), percentile(values, 1), len(values))
	}}
}

// guestMemoryGoal is of a guest that serves: its workers run. What attaching alone takes stands beside it.
func guestMemoryGoal() goal {
	g := startGoal("start-c", "private memory beside the region, C guest that serves, 64 workers", " KiB", 256, func(p *part) []float64 { return p.GuestWithWorkers })
	measure := g.measure
	g.measure = func(r *results) (float64, string) {
		figure, beside := measure(r)
		if p := r.parts["start-c"]; p != nil && len(p.GuestKiB) > 0 {
			beside += fmt.Sprintf("; attached, before its workers run: %.0f", median(p.GuestKiB))
		}
		if p := r.parts["start-c-one"]; p != nil && len(p.GuestWithWorkers) > 0 {
			beside += fmt.Sprintf("; with one worker for all slots: %.0f", median(p.GuestWithWorkers))
		}
		return figure, beside
	}
	return g
}

func goals() []goal {
	const c, goGuest = "ratio-c", "ratio-go"
	list := []goal{
		ratioGoal("C to C, session, 8 B", c, "C session", 8, 1.15),
		ratioGoal("C to C, session, 32 B", c, "C session", 32, 1.15),
		ratioGoal("C to C, session, 64 B", c, "C session", 64, 1.1),
		ratioGoal("C to C, session, 128 B", c, "C session", 128, 1.3),
		ratioGoal("C to C, session, 1024 B", c, "C session", 1024, 1.1),
		ratioGoal("C++ host to Go guest, 8 B", goGuest, "C++ Send", 8, 1.25),
		ratioGoal("C++ host to Go guest, 64 B", goGuest, "C++ Send", 64, 1.12),
		ratioGoal("C++ host to Go guest, 1024 B", goGuest, "C++ Send", 1024, 1.15),
		ratioP90Goal("C++ host to Go guest, 8 B, p90 of the ratios", goGuest, "C++ Send", 8, 1.5),
		ratioP90Goal("C++ host to Go guest, 64 B, p90 of the ratios", goGuest, "C++ Send", 64, 1.5),
		ratioP90Goal("C++ host to Go guest, 1024 B, p90 of the ratios", goGuest, "C++ Send", 1024, 1.5),
		ratioGoal("64 KiB in place, C session", c, "C session", 65536, 1.05),
		ratioGoal("1 MiB in place, C session", c, "C session", 1048576, 1.05),
		pipelinedGoal("pipelined, 16 in flight, 48 B, C guest", "pipelined-c", 0.7),
		pipelinedGoal("pipelined, 16 in flight, 48 B, Go guest", "pipelined-go", 0.4),
	}
	for _, bytes := range []int{1 << 20, 64 << 20, 1 << 30} {
		list = append(list, streamGoal("C to C", "streaming-c", bytes), streamGoal("C++ host to Go guest", "streaming-go", bytes))
	}
	for _, pairs := range []int{4, 8, 16} {
		list = append(list, pairsGoals(pairs)...)
	}
	for _, bytes := range []int{8, 64, 1024} {
		list = append(list, asleepGoal(bytes))
	}
	list = append(list,
		tailGoal("p99.9", 0.999, func(h *histogram) float64 { return h.P999 }),
		tailGoal("p99.99", 0.9999, func(h *histogram) float64 { return h.P9999 }))
	list = append(list, idleGoals("idle-c", "C guest")...)
	list = append(list, idleGoals("idle-go", "Go guest")...)
	return append(list,
		startGoal("start-c", "create, 64 slots of 4 KiB", " us", 1000, func(p *part) []float64 { return p.CreateUs }),
		startGoal("start-c", "attach, C", " us", 1000, func(p *part) []float64 { return p.AttachUs }),
		startGoal("start-go", "attach, Go", " us", 1000, func(p *part) []float64 { return p.AttachUs }),
		startGoal("start-c", "private memory beside the region, host, 64 slots", " KiB", 256, func(p *part) []float64 { return p.HostKiB }),
		guestMemoryGoal())
}

func (g *goal) verdict(figure float64) string {
	switch {
	case math.IsNaN(figure):
		return "not measured"
	case g.least && figure < g.bound, !g.least && figure > g.bound:
		return "**missed**"
	}
	return "met"
}

// number has as many digits as are of use.
func number(value float64) string {
	switch {
	case value == math.Trunc(value) && math.Abs(value) < 1e7:
		return fmt.Sprintf("%.0f", value)
	case math.Abs(value) >= 100:
		return fmt.Sprintf("%.0f", value)
	}
	return fmt.Sprintf("%.2f", value)
}

func (g *goal) target() string {
	if g.bound == 0 {
		return "0" + g.unit
	}
	if g.least {
		return "at least " + number(g.bound) + g.unit
	}
	return "at most " + number(g.bound) + g.unit
}

func goalsTable(r *results) string {
	var text strings.Builder
	text.WriteString("## Goals and figures\n\n| what | goal | measured | | beside it |\n|---|---|---|---|---|\n")
	for _, g := range goals() {
		figure, beside := g.measure(r)
		measured := "-"
		if math.IsNaN(figure) {
			beside = ""
		} else {
			measured = number(figure) + g.unit
		}
		fmt.Fprintf(&text, "| %s | %s | %s | %s | %s |\n", g.what, g.target(), measured, g.verdict(figure), beside)
	}
	text.WriteString("\nCrash recovery, timeouts and fates are on in all of it: there is no other mode.\n")
	return text.String()
}

// shortfalls says plainly which goals were missed.
func shortfalls(r *results) string {
	var missed, unmeasured []string
	met := 0
	for _, g := range goals() {
		figure, _ := g.measure(r)
		switch g.verdict(figure) {
		case "met":
			met++
		case "not measured":
			unmeasured = append(unmeasured, g.what)
		default:
			missed = append(missed, fmt.Sprintf("%s (%s, goal %s)", g.what, number(figure)+g.unit, g.target()))
		}
	}
	text := fmt.Sprintf("\n%d goals met, %d missed, %d not measured.\n", met, len(missed), len(unmeasured))
	if len(missed) > 0 {
		text += "\nFalls short:\n\n- " + strings.Join(missed, "\n- ") + "\n"
	}
	if len(unmeasured) > 0 {
		text += "\nNot measured in this run: " + strings.Join(unmeasured, "; ") + ".\n"
	}
	return text
}
