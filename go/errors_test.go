// SPDX-License-Identifier: Apache-2.0

package shm

import (
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

const tableFile = "../include/simpleipc/simpleipc.h"

// Each error of this package has a row of the same name and message in the C library's table.
func TestErrorsAreRowsOfTheStatusTable(t *testing.T) {
	header, err := os.ReadFile(tableFile)
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string]string{}
	row := regexp.MustCompile(`X\(([A-Z_]+), -?\d+, [A-Z_]+,[\s\\]*"([^"]*)"\)`)
	for _, match := range row.FindAllStringSubmatch(string(header), -1) {
		rows[match[1]] = match[2]
	}
	if len(rows) == 0 {
		t.Fatalf("no table of statuses in %s", tableFile)
	}
	sentinels := declaredErrors(t)
	if len(sentinels) == 0 {
		t.Fatal("no errors in errors.go")
	}
	for name, message := range sentinels {
		status := strings.ToUpper(specName(strings.TrimPrefix(name, "Err")))
		if want, known := rows[status]; !known {
			t.Errorf("%s: there is no status %s in %s", name, status, tableFile)
		} else if message != "shm: "+want {
			t.Errorf("%s says %q and %s says %q", name, message, status, want)
		}
	}
}

// declaredErrors are the sentinels of errors.go with their messages, found in its source.
func declaredErrors(t *testing.T) map[string]string {
	t.Helper()
	source, err := parser.ParseFile(token.NewFileSet(), "errors.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	ast.Inspect(source, func(node ast.Node) bool {
		if spec, is := node.(*ast.ValueSpec); is {
			literal := spec.Values[0].(*ast.CallExpr).Args[0].(*ast.BasicLit)
			message, err := strconv.Unquote(literal.Value)
			if err != nil {
				t.Fatal(err)
			}
			found[spec.Names[0].Name] = message
		}
		return true
	})
	return found
}

// A wrapped error is recognised by its sentinel and by its cause.
func TestAFailureIsItsSentinelAndItsCause(t *testing.T) {
	var err error = &failure{ErrSystem, "open /x", os.ErrPermission}
	if !errors.Is(err, ErrSystem) || !errors.Is(err, os.ErrPermission) || errors.Is(err, ErrNoHost) {
		t.Errorf("%v is not what it should be", err)
	}
	if want := "shm: a system call failed: open /x: permission denied"; err.Error() != want {
		t.Errorf("the text is %q instead of %q", err, want)
	}
}
