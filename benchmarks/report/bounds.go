// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"fmt"
	"os"
	"strings"
)

// A bound is one line of a file: PART BYTES MOST CALLER.
type bound struct {
	part, caller string
	bytes        int
	most         float64
}

func readBounds(path string) ([]bound, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	var bounds []bound
	for lines := bufio.NewScanner(file); lines.Scan(); {
		line := strings.TrimSpace(lines.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		var b bound
		fields := strings.Fields(line)
		if len(fields) < 4 {
			return nil, fmt.Errorf("%s: %q is not PART BYTES MOST CALLER", path, line)
		}
		if _, err := fmt.Sscan(fields[1]+" "+fields[2], &b.bytes, &b.most); err != nil {
			return nil, fmt.Errorf("%s: %q: %w", path, line, err)
		}
		b.part, b.caller = fields[0], strings.Join(fields[3:], " ")
		bounds = append(bounds, b)
	}
	if len(bounds) == 0 {
		return nil, fmt.Errorf("%s: there is no bound", path)
	}
	return bounds, nil
}

// keep says how each bound was kept, and fails if one was not, or not measured.
func keep(r *results, bounds []bound) error {
	broken := 0
	for _, b := range bounds {
		said := "not measured"
		c := r.ratio(b.part, b.caller, b.bytes)
		if c != nil {
			said = fmt.Sprintf("%.2f L, at most %s", c.Median, number(b.most))
		}
		if c == nil || c.Median > b.most {
			broken++
			said += ": TOO MUCH"
		}
		fmt.Printf("%-9s %6s  %-10s %s\n", b.part, bytesText(b.bytes), b.caller, said)
	}
	if broken > 0 {
		return fmt.Errorf("%d of %d bounds were not kept", broken, len(bounds))
	}
	return nil
}
