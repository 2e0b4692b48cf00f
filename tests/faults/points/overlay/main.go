// SPDX-License-Identifier: Apache-2.0

// Overlay writes copies of a Go package's files with a fault point before and after each store to shared memory, each
// atomic update and each system call, for `go build -overlay`:
//
//	overlay PACKAGE-FOLDER OUTPUT-FOLDER
//
// The package itself knows nothing of it. What happens at the points is in runtime.go.txt, which becomes part of the
// package; points.c tells what the environment can say.
package main

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/build"
	"go/parser"
	"go/token"
	"go/types"
	"os"
	"path/filepath"
	"strings"
)

//go:embed runtime.go.txt
var runtimeSource string

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: overlay PACKAGE-FOLDER OUTPUT-FOLDER")
		os.Exit(2)
	}
	if err := write(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "overlay:", err)
		os.Exit(1)
	}
}

func write(folder, out string) error {
	folder, err := filepath.Abs(folder)
	if err != nil {
		return err
	}
	if out, err = filepath.Abs(out); err != nil {
		return err
	}
	if err := os.MkdirAll(out, 0o755); err != nil {
		return err
	}
	w := &weaver{set: token.NewFileSet(), counts: map[string]int{}}
	if err := w.load(folder); err != nil {
		return err
	}
	replace := map[string]string{}
	for i, file := range w.files {
		text, err := w.weave(file, w.sources[i])
		if err != nil {
			return err
		}
		if text == "" {
			continue
		}
		target := filepath.Join(out, filepath.Base(w.paths[i]))
		if err := os.WriteFile(target, []byte(text), 0o644); err != nil {
			return err
		}
		replace[w.paths[i]] = target
	}
	target := filepath.Join(out, "points_runtime.go")
	names := fmt.Sprintf("\nvar faultNames = [...]string{\n\t%s,\n}\n", strings.Join(w.quoted(), ",\n\t"))
	if err := os.WriteFile(target, []byte(runtimeSource+names), 0o644); err != nil {
		return err
	}
	replace[filepath.Join(folder, "points_runtime.go")] = target
	text, err := json.Marshal(map[string]interface{}{"Replace": replace})
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(out, "overlay.json"), text, 0o644)
}

// weaver puts points into a package.
type weaver struct {
	set     *token.FileSet
	paths   []string
	sources []string
	files   []*ast.File
	info    types.Info
	names   []string       // of the points, in the order of their numbers
	counts  map[string]int // of points of the same name
}

// nothing is what every import looks like: the types of this package suffice.
type nothing struct{}

func (nothing) Import(path string) (*types.Package, error) { return nil, fmt.Errorf("not needed") }

func (w *weaver) load(folder string) error {
	paths, err := filepath.Glob(filepath.Join(folder, "*.go"))
	if err != nil {
		return err
	}
	for _, path := range paths {
		fits, err := build.Default.MatchFile(folder, filepath.Base(path))
		if err != nil {
			return err
		}
		if !fits || strings.HasSuffix(path, "_test.go") {
			continue
		}
		source, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		file, err := parser.ParseFile(w.set, path, source, parser.ParseComments)
		if err != nil {
			return err
		}
		w.paths, w.sources, w.files = append(w.paths, path), append(w.sources, string(source)), append(w.files, file)
	}
	w.info = types.Info{Types: map[ast.Expr]types.TypeAndValue{}, Uses: map[*ast.Ident]types.Object{}}
	config := types.Config{Importer: nothing{}, Error: func(error) {}}
	config.Check("shm", w.set, w.files, &w.info) // its errors are about imports
	return nil
}

func (w *weaver) quoted() []string {
	var quoted []string
	for _, name := range w.names {
		quoted = append(quoted, fmt.Sprintf("%q", name))
	}
	return quoted
}

// point gives a place its number; the point has two moments.
func (w *weaver) point(file, function, what string) int {
	name := file + ":" + function + ":" + strings.Join(strings.Fields(what), " ")
	w.counts[name]++
	if w.counts[name] > 1 {
		name += fmt.Sprintf(" %d", w.counts[name])
	}
	w.names = append(w.names, name)
	return len(w.names) - 1
}
