// SPDX-License-Identifier: Apache-2.0

// Reads the JSON of a run of the benchmark and tells it: as a table of goals and figures side by side, as
// tables of all that was measured, and as plots.
package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
)

func main() {
	var err error
	switch len(os.Args) {
	case 2:
		err = report(os.Args[1])
	case 3:
		err = gate(os.Args[1], os.Args[2])
	default:
		fmt.Fprint(os.Stderr, "usage: report FOLDER\n  reads the folder's *.json and writes results.md, *.svg and *.png beside them\n"+
			"or: report FOLDER BOUNDS\n  says whether the ratios are within the bounds of that file\n")
		os.Exit(2)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "report:", err)
		os.Exit(1)
	}
}

func gate(folder, file string) error {
	results, err := load(folder)
	if err != nil {
		return err
	}
	bounds, err := readBounds(file)
	if err != nil {
		return err
	}
	return keep(results, bounds)
}

func report(folder string) error {
	results, err := load(folder)
	if err != nil {
		return err
	}
	summary := goalsTable(results) + shortfalls(results)
	drawn, why := draw(results, folder)
	var text bytes.Buffer
	fmt.Fprintf(&text, "<!-- SPDX-License-Identifier: Apache-2.0 -->\n# Results\n\n%s\n%s", describe(results), summary)
	text.WriteString(peersTable(results))
	text.WriteString(details(results))
	text.WriteString(plotsSection(drawn, why))
	fmt.Print(summary, peersTable(results))
	if why != "" {
		fmt.Println("\nPlots are absent:", why)
	}
	return os.WriteFile(filepath.Join(folder, "results.md"), text.Bytes(), 0o644)
}
