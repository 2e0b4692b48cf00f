// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"math"
	"os/exec"
	"path/filepath"
	"strings"
)

// A plot is a gnuplot script without its terminal and its output.
type plot struct {
	name   string
	title  string
	script string
}

// A curve is one line of a plot.
type curve struct {
	title  string
	points [][]float64
}

// A curveSet has curves in the order in which their first points came.
type curveSet struct {
	all   []curve
	index map[string]int
}

func (s *curveSet) add(title string, point ...float64) {
	at, known := s.index[title]
	if !known {
		if s.index == nil {
			s.index = map[string]int{}
		}
		at = len(s.all)
		s.index[title] = at
		s.all = append(s.all, curve{title: title})
	}
	s.all[at].points = append(s.all[at].points, point)
}

func (p *plot) add(format string, values ...interface{}) {
	p.script += fmt.Sprintf(format, values...) + "\n"
}

func (p *plot) curves(style string, curves []curve) {
	var plots []string
	for i, c := range curves {
		p.add("$d%d << EOD", i)
		for _, point := range c.points {
			p.add("%s", strings.Trim(fmt.Sprint(point), "[]"))
		}
		p.add("EOD")
		// gnuplot has 8 colours: further curves are dashed.
		plots = append(plots, fmt.Sprintf("$d%d %s dashtype %d title %q", i, style, 1+i/8, c.title))
	}
	p.add("plot %s", strings.Join(plots, ", \\\n     "))
}

// percentileCurve has the share of the slower ones on a logarithmic axis: 10 is 90 %, 100 is 99 %.
func percentileCurve(title string, h *histogram) curve {
	c := curve{title: title}
	passed := 0.0
	for _, bucket := range h.Buckets {
		passed += bucket[1]
		left := math.Max(h.Count-passed, 0.5) // the slowest one itself
		if x := h.Count / left; x >= 1 {
			c.points = append(c.points, []float64{x, math.Min(bucket[0], h.Max)})
		}
	}
	return c
}

// thinned leaves out points that would be drawn where the one before them is: all axes are logarithmic, and a
// picture has a hundred dots for a power of ten at the most. The last point, the maximum, stays.
func thinned(c curve) curve {
	const dot = 1.01
	kept := curve{title: c.title}
	for i, point := range c.points {
		if n := len(kept.points); n > 0 && i+1 < len(c.points) &&
			point[0] < kept.points[n-1][0]*dot && point[1] < kept.points[n-1][1]*dot {
			continue
		}
		kept.points = append(kept.points, point)
	}
	return kept
}

func percentilePlot(name, title string, curves []curve) *plot {
	if len(curves) == 0 {
		return nil
	}
	for i := range curves {
		curves[i] = thinned(curves[i])
	}
	p := &plot{name: name, title: title}
	p.add("set logscale xy")
	// gnuplot reads labels as formats, and add does so before it.
	p.add(`set xtics ("50 %%%%" 2, "90 %%%%" 10, "99 %%%%" 100, "99.9 %%%%" 1000, "99.99 %%%%" 10000, "99.999 %%%%" 100000, "99.9999 %%%%" 1000000)`)
	p.add("set xrange [1:*]\nset ylabel 'ns of a round trip'\nset xlabel 'share of the round trips that are at least as quick'\nset key outside right")
	p.curves("with lines linewidth 2", curves)
	return p
}

func latencyPlots(r *results) []*plot {
	var plots []*plot
	for _, name := range r.names("latency-") {
		var curves []curve
		for i := range r.parts[name].Results {
			l := &r.parts[name].Results[i]
			if l.Threads == 1 && l.Bytes == 64 {
				title := l.Name
				if l.Kind == "bare" {
					title = "bare limit"
				}
				curves = append(curves, percentileCurve(title, &l.Ns))
			}
		}
		plots = append(plots, percentilePlot(name, "Single round trips of 64 bytes, pinned pair: "+name, curves))
	}
	return append(plots, peersLatencyPlot(r))
}

func peersLatencyPlot(r *results) *plot {
	var curves []curve
	for _, name := range peerOrder {
		p := r.parts["peer-latency-"+name]
		if p == nil {
			continue
		}
		for i := range p.Results {
			l := &p.Results[i]
			if l.Kind == "peer" || (len(curves) == 0 && l.Kind == "library") {
				title := l.Name
				if l.Kind == "library" {
					title = "SimpleIPC, C session"
				}
				curves = append(curves, percentileCurve(title, &l.Ns))
			}
		}
	}
	return percentilePlot("latency-peers", "Single round trips of 64 bytes: SimpleIPC and its peers", curves)
}

// guestName is what a part's name says of its guest.
func guestName(part string) string {
	words := strings.SplitN(strings.Replace(part, "-guest-calls-", "-", 1), "-", 3)
	name := map[string]string{"c": "C guest", "cpp": "C++ guest", "go": "Go guest"}[words[1]]
	if len(words) > 2 {
		name += ", " + strings.Replace(words[2], "each", "a worker each", 1)
	}
	return name
}

func throughputPlot(r *results) *plot {
	var curves curveSet
	for _, name := range r.names("throughput-") {
		for _, l := range r.parts[name].Results {
			if l.Bytes == 64 {
				curves.add(l.Name+", "+guestName(name), float64(l.Threads), median(l.Rates)/1e6)
			}
		}
	}
	if len(curves.all) == 0 {
		return nil
	}
	p := &plot{name: "throughput", title: "Round trips of 64 bytes by threads, each with a slot and a worker"}
	p.add("set logscale x 2\nset xlabel 'calling threads'\nset ylabel 'million round trips a second'\nset yrange [0:*]\nset key outside right")
	p.curves("with linespoints linewidth 2", curves.all)
	return p
}

// depthPlots are how much there is, with the bare limit as it was beside the first part, and which share of the
// limit of the same moment that is. The machine may be slow at one depth and quick at the next: the share is not.
func depthPlots(r *results) []*plot {
	var rates, shares curveSet
	for i, name := range r.names("pipelined-") {
		for _, s := range r.parts[name].Sizes {
			if s.Bytes != 48 {
				continue
			}
			depth := float64(s.Depth)
			if i == 0 {
				rates.add("bare limit", depth, 1e3/s.limitNs())
			}
			for _, c := range s.Contenders {
				if c.Kind == "library" {
					rates.add(c.Name+", "+guestName(name), depth, 1e3/c.MedianNs)
					shares.add(c.Name+", "+guestName(name), depth, 1/c.Median)
				}
			}
		}
	}
	title := ", 48 bytes by depth: one calling thread"
	return []*plot{
		depthPlot("pipelined", "Requests a second"+title, "million requests a second", rates.all),
		depthPlot("pipelined-share", "Share of the bare pipelined limit"+title, "share of the limit of the same moment", shares.all),
	}
}

func depthPlot(name, title, unit string, curves []curve) *plot {
	if len(curves) == 0 {
		return nil
	}
	p := &plot{name: name, title: title}
	p.add("set logscale x 2\nset xlabel 'requests in flight'\nset ylabel '%s'\nset yrange [0:*]\nset key outside right", unit)
	p.curves("with linespoints linewidth 2", curves)
	return p
}

func ratioPlot(r *results) *plot {
	var curves curveSet
	for _, name := range r.names("ratio-") {
		for _, s := range r.parts[name].Sizes {
			for _, c := range s.Contenders {
				if c.Kind == "library" {
					curves.add(c.Name+", "+guestName(name), float64(s.Bytes), c.Median, c.P10, c.P90)
				}
			}
		}
	}
	if len(curves.all) == 0 {
		return nil
	}
	p := &plot{name: "ratio", title: "Times the bare limit L of the same moment: median, p10 to p90"}
	p.add("set logscale x 2\nset xlabel 'bytes there and back'\nset ylabel 'times L'\nset yrange [0:5]\nset key outside right")
	p.add(`set xtics ("8" 8, "64" 64, "1 Ki" 1024, "16 Ki" 16384, "128 Ki" 131072, "1 Mi" 1048576)`)
	p.curves("with yerrorlines linewidth 2", curves.all)
	return p
}

func peersPlot(r *results) *plot {
	p := &plot{name: "peers", title: "Round trip of SimpleIPC and its peers, pinned pair, median"}
	var columns []string
	for i, bytes := range peerSizes {
		columns = append(columns, fmt.Sprintf("$d using %d:xtic(1) title %q", i+2, bytesText(bytes)))
	}
	p.add("set style data histogram\nset style histogram clustered gap 1\nset style fill solid 0.8\nset logscale y\nset yrange [10:*]\n" +
		"set ylabel 'ns of a round trip'\nset xtics rotate by -30\nset key top left")
	p.add("$d << EOD")
	ours := []string{`"SimpleIPC"`}
	for _, bytes := range peerSizes {
		var ns []float64
		for _, name := range r.names("peer-") {
			if c, _ := peerContender(r.parts[name], bytes, "library"); c != nil {
				ns = append(ns, c.MedianNs)
			}
		}
		ours = append(ours, number(median(ns)))
	}
	p.add("%s", strings.Join(ours, " "))
	count := 0
	for _, name := range peerOrder {
		part := r.parts["peer-"+name]
		if part == nil {
			continue
		}
		count++
		line := []string{fmt.Sprintf("%q", part.Peer.Name)}
		for _, bytes := range peerSizes {
			if c, _ := peerContender(part, bytes, "peer"); c != nil {
				line = append(line, number(c.MedianNs))
			} else {
				line = append(line, "NaN")
			}
		}
		p.add("%s", strings.Join(line, " "))
	}
	if count == 0 {
		return nil
	}
	p.add("EOD")
	p.add("plot %s", strings.Join(columns, ", \\\n     "))
	return p
}

func pairsPlot(r *results) *plot {
	var curves []curve
	for _, name := range r.names("pairs-") {
		c := curve{title: guestName(name) + ", each run"}
		for _, l := range r.parts[name].Results {
			for _, rate := range l.Rates {
				c.points = append(c.points, []float64{float64(l.Pairs), rate / 1e6})
			}
		}
		curves = append(curves, c)
	}
	if len(curves) == 0 {
		return nil
	}
	p := &plot{name: "pairs", title: "More pairs than processors: calls of all pairs, each run"}
	p.add("set logscale x 2\nset xlabel 'pairs of two processes on two processors'\nset ylabel 'million calls a second'\nset yrange [0:*]\nset xrange [2:32]")
	p.curves("with points pointsize 1.2 linewidth 1", curves)
	return p
}

// ---- gnuplot -------------------------------------------------------------------------------------

func (p *plot) write(folder, machine, terminal, suffix string) error {
	script := fmt.Sprintf("set terminal %s\nset output %q\nset title %q noenhanced\nset label %q at graph 0, screen 0.02 noenhanced font ',9'\n"+
		"set bmargin 6\nset grid\n%s", terminal, p.name+"."+suffix, p.title, machine, p.script)
	command := exec.Command("gnuplot")
	command.Dir = folder
	command.Stdin = strings.NewReader(script)
	if said, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("gnuplot: %s.%s: %v: %s", p.name, suffix, err, said)
	}
	return nil
}

// Of at most 256 colours: a third of the bytes of what cairo draws, and they are kept with the sources.
const pngTerminal = "png notruecolor size 1000,620 large"

// draw returns the names of the plots that were made, and why there are none.
func draw(r *results, folder string) (drawn []string, why string) {
	if _, err := exec.LookPath("gnuplot"); err != nil {
		return nil, "there is no gnuplot"
	}
	m := r.anyPart().Machine
	machine := fmt.Sprintf("%s, %d processors, %s %s, load %.1f, %s", m.Processor, m.Processors, m.System, m.Kernel, m.Load, m.Time)
	plots := append(append(latencyPlots(r), depthPlots(r)...), throughputPlot(r), ratioPlot(r), peersPlot(r), pairsPlot(r))
	for _, p := range plots {
		if p == nil {
			continue
		}
		for suffix, terminal := range map[string]string{"svg": "svg size 1000,620 font 'Sans,12' background 'white'", "png": pngTerminal} {
			if err := p.write(folder, machine, terminal, suffix); err != nil {
				return nil, err.Error()
			}
		}
		drawn = append(drawn, p.name)
	}
	return drawn, ""
}

func plotsSection(drawn []string, why string) string {
	if why != "" {
		return "\n## Plots\n\nAbsent: " + why + "\n"
	}
	text := "\n## Plots\n"
	for _, name := range drawn {
		text += fmt.Sprintf("\n![%s](%s)\n", name, filepath.ToSlash(name+".svg"))
	}
	return text
}
