// SPDX-License-Identifier: Apache-2.0

package udf

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"fmt"
	"math"
	"os"
	"strings"
	"testing"
)

// sample is a line of the table that C checks as well.
type sample struct {
	what    string
	message []byte
}

func samples(t testing.TB) (all []sample) {
	file, err := os.Open("../../values.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		if strings.HasPrefix(lines.Text(), "#") {
			continue
		}
		parts := strings.SplitN(lines.Text(), " = ", 2)
		message, err := hex.DecodeString(parts[len(parts)-1])
		if err != nil || len(parts) != 2 {
			t.Fatalf("%q is no line of the table", lines.Text())
		}
		all = append(all, sample{parts[0], message})
	}
	if len(all) < 50 {
		t.Fatalf("the table has only %d lines", len(all))
	}
	return all
}

func describe(message []byte) string {
	values, err := Decode(message, nil)
	if err != nil {
		return "bad: " + err.Error()
	}
	words := []string{}
	for _, v := range values {
		switch v.Kind {
		case Null:
			words = append(words, "N")
		case Integer:
			words = append(words, fmt.Sprintf("I:%d", v.Integer))
		case Real:
			words = append(words, fmt.Sprintf("R:%016x", math.Float64bits(v.Real)))
		default:
			words = append(words, v.Kind.String()[:1]+":"+hex.EncodeToString(v.Bytes))
		}
	}
	if len(words) == 0 {
		return "empty"
	}
	return strings.Join(words, " ")
}

// encodeAnew expects the same bytes: a message that is accepted has no other form. The buffer is dirty.
func encodeAnew(t *testing.T, message []byte) {
	values, err := Decode(message, nil)
	if err != nil {
		return
	}
	anew := bytes.Repeat([]byte{0xff}, int(EncodedSize(values)))
	Encode(anew, values)
	if !bytes.Equal(anew, message) {
		t.Errorf("%x is accepted, but encoded as %x", message, anew)
	}
}

func TestMessagesMeanWhatTheTableSays(t *testing.T) {
	for _, s := range samples(t) {
		if got := describe(s.message); got != s.what {
			t.Errorf("%x: %q, want %q", s.message, got, s.what)
		}
		encodeAnew(t, s.message)
	}
}

// A message without spare capacity: who reads beyond its end panics.
func exactly(message []byte) []byte { return append(make([]byte, 0, len(message)), message...) }

func TestDamagedMessagesAreRefusedOrCanonical(t *testing.T) {
	for _, s := range samples(t) {
		for size := range s.message {
			encodeAnew(t, exactly(s.message[:size]))
		}
		for bit := 0; bit < 8*len(s.message); bit++ {
			damaged := exactly(s.message)
			damaged[bit/8] ^= 1 << (bit % 8)
			encodeAnew(t, damaged)
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, s := range samples(f) {
		f.Add(s.message)
	}
	f.Fuzz(func(t *testing.T, message []byte) { encodeAnew(t, message) })
}
