// SPDX-License-Identifier: Apache-2.0

package shm

import (
	"errors"
	"os"
	"strconv"
	"strings"
	"testing"
)

const namesFile = "../tests/conformance/names.txt"

// Every language gives the same verdict on the names of the shared table.
func TestNamesOfTheSharedTable(t *testing.T) {
	text, err := os.ReadFile(namesFile)
	if err != nil {
		t.Fatal(err)
	}
	verdicts := map[string]int{}
	for number, line := range strings.Split(string(text), "\n") {
		if line == "" || line[0] == '#' {
			continue
		}
		parts := strings.SplitN(line, " ", 2)
		if len(parts) != 2 || parts[0] != "ok" && parts[0] != "bad" {
			t.Fatalf("%s:%d: %q is not a verdict and a name", namesFile, number+1, line)
		}
		name, err := strconv.Unquote(parts[1])
		if err != nil {
			t.Fatalf("%s:%d: %v", namesFile, number+1, err)
		}
		verdicts[parts[0]]++
		err = checkName(name)
		if (err == nil) != (parts[0] == "ok") {
			t.Errorf("%s:%d: the table says %s of %q, this package %v", namesFile, number+1, parts[0], name, err)
		}
		if err != nil && !errors.Is(err, ErrBadName) {
			t.Errorf("%s:%d: %v is not ErrBadName", namesFile, number+1, err)
		}
	}
	if verdicts["ok"] == 0 || verdicts["bad"] == 0 {
		t.Fatalf("%s lacks one of the verdicts: %v", namesFile, verdicts)
	}
}

// A bad name is refused before anything is waited for.
func TestConnectRefusesABadName(t *testing.T) {
	bounded(t)
	for _, name := range []string{"", ".hidden", "a/b", strings.Repeat("a", 129)} {
		if client, err := Connect(name); client != nil || !errors.Is(err, ErrBadName) {
			t.Errorf("Connect(%q) = %v, %v", name, client, err)
		}
	}
}
