// SPDX-License-Identifier: Apache-2.0

package shm

import (
	"bufio"
	"go/ast"
	"go/constant"
	"go/parser"
	"go/token"
	"go/types"
	"os"
	"reflect"
	"sort"
	"strconv"
	"strings"
	"testing"
	"unicode"
	"unsafe"
)

const constantsFile = "../docs/spec/constants.txt"

// Every constant of layout.go and every field of its structs stands in the spec's table with the same
// value, and every row of the table stands in layout.go.
func TestLayoutIsTheSpecs(t *testing.T) {
	spec := specConstants(t)
	ours := layoutConstants(t)
	for name, value := range layoutFields() {
		if _, twice := ours[name]; twice {
			t.Errorf("%s is both a constant and a field of layout.go", name)
		}
		ours[name] = value
	}
	for _, name := range sortedNames(spec, ours) {
		want, inSpec := spec[name]
		have, inGo := ours[name]
		switch {
		case !inSpec:
			t.Errorf("%s = %d is in layout.go but not in %s", name, have, constantsFile)
		case !inGo:
			t.Errorf("%s = %d is in %s but not in layout.go", name, want, constantsFile)
		case have != want:
			t.Errorf("%s is %d in layout.go and %d in %s", name, have, want, constantsFile)
		}
	}
}

func TestLinesHaveTheirSizes(t *testing.T) {
	for _, line := range []struct {
		name       string
		have, want uintptr
	}{
		{"exchangeHeader", unsafe.Sizeof(exchangeHeader{}), exchangeHeaderSize},
		{"hostFields", unsafe.Sizeof(hostFields{}), lineSize},
		{"firstLines", unsafe.Sizeof(firstLines{}), slotsOffset},
		{"turnLine", unsafe.Sizeof(turnLine{}), lineSize},
		{"namedTurnLine", unsafe.Sizeof(namedTurnLine{}), lineSize},
		{"ordinaryTurnLine", unsafe.Sizeof(ordinaryTurnLine{}), lineSize},
		{"responderLine", unsafe.Sizeof(responderLine{}), lineSize},
		{"slotHeader", unsafe.Sizeof(slotHeader{}), slotHeaderSize},
		{"ownerLine", unsafe.Sizeof(ownerLine{}), lineSize},
		{"annexLine", unsafe.Sizeof(annexLine{}), lineSize},
		{"slotTail", unsafe.Sizeof(slotTail{}), tailSize},
		{"handover", unsafe.Sizeof(handover{}), handoverSize},
		{"streamOpen", unsafe.Sizeof(streamOpen{}), streamOpenSize},
		{"streamData", unsafe.Sizeof(streamData{}), streamPiece},
		{"streamNext", unsafe.Sizeof(streamNext{}), streamNextSize},
		{"streamEnd", unsafe.Sizeof(streamEnd{}), streamEndText},
		{"streamAnswer", unsafe.Sizeof(streamAnswer{}), streamPiece},
	} {
		if line.have != line.want {
			t.Errorf("%s has %d bytes instead of %d", line.name, line.have, line.want)
		}
	}
}

func specConstants(t *testing.T) map[string]uint64 {
	t.Helper()
	file, err := os.Open(constantsFile)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	constants := map[string]uint64{}
	for lines := bufio.NewScanner(file); lines.Scan(); {
		line := strings.TrimSpace(lines.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		fields := strings.Fields(line)
		if len(fields) != 2 {
			t.Fatalf("%s: %q is not a name and a value", constantsFile, line)
		}
		value, err := strconv.ParseUint(fields[1], 0, 64)
		if err != nil {
			t.Fatalf("%s: %q: %v", constantsFile, line, err)
		}
		if _, twice := constants[fields[0]]; twice {
			t.Fatalf("%s: %s stands there twice", constantsFile, fields[0])
		}
		constants[fields[0]] = value
	}
	if len(constants) == 0 {
		t.Fatalf("%s is empty", constantsFile)
	}
	return constants
}

// layoutConstants are the constants that layout.go declares, found in its source, so that none can
// be left out of the comparison.
func layoutConstants(t *testing.T) map[string]uint64 {
	t.Helper()
	files := token.NewFileSet()
	source, err := parser.ParseFile(files, "layout.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	checked, err := (&types.Config{}).Check("shm", files, []*ast.File{source}, nil)
	if err != nil {
		t.Fatal(err)
	}
	constants := map[string]uint64{}
	for _, name := range checked.Scope().Names() {
		if c, is := checked.Scope().Lookup(name).(*types.Const); is {
			value, exact := constant.Uint64Val(constant.ToInt(c.Val()))
			if !exact {
				t.Fatalf("%s = %v is not an unsigned number", name, c.Val())
			}
			constants[specName(name)] = value
		}
	}
	return constants
}

// layoutFields are the offsets of the structs' fields, counted as the spec counts them.
func layoutFields() map[string]uint64 {
	fields := map[string]uint64{}
	for _, line := range []struct {
		prefix string
		start  uintptr
		form   interface{}
	}{
		{"header", 0, exchangeHeader{}},
		{"host", hostLine, hostFields{}},
		{"turn", unsafe.Offsetof(slotHeader{}.turn), turnLine{}},
		{"turn", unsafe.Offsetof(slotHeader{}.turn), namedTurnLine{}},
		{"turn", unsafe.Offsetof(slotHeader{}.turn), ordinaryTurnLine{}},
		{"responder", unsafe.Offsetof(slotHeader{}.responder), responderLine{}},
		{"owner", unsafe.Offsetof(slotTail{}.owner), ownerLine{}},
		{"annex", unsafe.Offsetof(slotTail{}.annex), annexLine{}},
		{"caller_counters", unsafe.Offsetof(slotTail{}.callerCounters), callerCounters{}},
		{"responder_counters", unsafe.Offsetof(slotTail{}.responderCounters), responderCounters{}},
		{"handover", 0, handover{}},
		{"stream_open", 0, streamOpen{}},
		{"stream_data", 0, streamData{}},
		{"stream_next", 0, streamNext{}},
		{"stream_end", 0, streamEnd{}},
		{"stream_answer", 0, streamAnswer{}},
	} {
		form := reflect.TypeOf(line.form)
		for i := 0; i < form.NumField(); i++ {
			if field := form.Field(i); field.Name != "_" {
				fields[line.prefix+"_"+specName(field.Name)] = uint64(line.start + field.Offset)
			}
		}
	}
	return fields
}

// specName is a Go name as the spec spells it: transportIDSlotShift is transport_id_slot_shift.
func specName(goName string) string {
	letters := []rune(goName)
	var name strings.Builder
	for i, letter := range letters {
		begins := i > 0 && unicode.IsUpper(letter) &&
			(!unicode.IsUpper(letters[i-1]) || i+1 < len(letters) && unicode.IsLower(letters[i+1]))
		if begins {
			name.WriteByte('_')
		}
		name.WriteRune(unicode.ToLower(letter))
	}
	return name.String()
}

func sortedNames(maps ...map[string]uint64) []string {
	seen := map[string]bool{}
	for _, m := range maps {
		for name := range m {
			seen[name] = true
		}
	}
	names := make([]string, 0, len(seen))
	for name := range seen {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}
