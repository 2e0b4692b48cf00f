// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"os"
	"time"

	"github.com/xll-gen/shm/examples/sqlite-udf/guest/udf"
)

// example is the set of functions that this guest serves.
func example() (*udf.Functions, error) {
	functions := udf.New()
	for _, f := range []struct {
		name  string
		arity int
		flags udf.Flag
		call  udf.Func
	}{
		{"go_upper", 1, udf.Deterministic, upper},
		{"geo_distance", 4, udf.Deterministic, geoDistance},
		{"go_echo", 1, udf.Deterministic, echo},
		{"go_count", udf.AnyArity, udf.Deterministic, count},
		{"go_repeat", 2, udf.Deterministic, repeat},
		{"go_fail", 1, 0, fail},
		{"go_panic", 1, 0, doPanic},
		{"go_sleep", 1, udf.DirectOnly, sleep},
		{"go_pid", 0, 0, pid},
	} {
		if err := functions.Add(f.name, f.arity, f.flags, f.call); err != nil {
			return nil, err
		}
	}
	return functions, nil
}

// upper is a text's upper case; of NULL it is NULL.
func upper(arguments []udf.Value) (udf.Value, error) {
	text := arguments[0]
	switch text.Kind {
	case udf.Null:
		return udf.Value{}, nil
	case udf.Text:
		return udf.Value{Kind: udf.Text, Bytes: bytes.ToUpper(text.Bytes)}, nil
	}
	return udf.Value{}, fmt.Errorf("the argument is %v; give TEXT", text.Kind)
}

// geoDistance is the distance in kilometres between two places on the earth, each given by its latitude and
// longitude in degrees; NULL if one of the numbers is.
func geoDistance(arguments []udf.Value) (udf.Value, error) {
	const radius, degree = 6371.0088, math.Pi / 180
	var at [4]float64
	for i := range at {
		number, is := arguments[i].Number()
		if arguments[i].Kind == udf.Null {
			return udf.Value{}, nil
		}
		if !is {
			return udf.Value{}, fmt.Errorf("argument %d is %v; give a number", i+1, arguments[i].Kind)
		}
		at[i] = number * degree
	}
	north := math.Sin((at[2] - at[0]) / 2)
	east := math.Sin((at[3] - at[1]) / 2)
	h := north*north + math.Cos(at[0])*math.Cos(at[2])*east*east
	return udf.OfReal(2 * radius * math.Asin(math.Sqrt(math.Min(h, 1)))), nil
}

// echo is its argument.
func echo(arguments []udf.Value) (udf.Value, error) { return arguments[0], nil }

// count is how many arguments it has.
func count(arguments []udf.Value) (udf.Value, error) {
	return udf.OfInteger(int64(len(arguments))), nil
}

// repeat is a text or a blob so many times in a row.
func repeat(arguments []udf.Value) (udf.Value, error) {
	what, times := arguments[0], arguments[1]
	if what.Kind != udf.Text && what.Kind != udf.Blob || times.Kind != udf.Integer {
		return udf.Value{}, fmt.Errorf("the arguments are %v and %v; give TEXT or BLOB, and INTEGER", what.Kind, times.Kind)
	}
	const most = 1 << 20
	if times.Integer < 0 || len(what.Bytes) > 0 && times.Integer > most/int64(len(what.Bytes)) {
		return udf.Value{}, fmt.Errorf("%d times %d bytes is negative, or more than %d", times.Integer, len(what.Bytes), most)
	}
	if len(what.Bytes) == 0 {
		times.Integer = 0
	}
	return udf.Value{Kind: what.Kind, Bytes: bytes.Repeat(what.Bytes, int(times.Integer))}, nil
}

// fail fails with this text.
func fail(arguments []udf.Value) (udf.Value, error) {
	return udf.Value{}, errors.New(string(arguments[0].Bytes))
}

func doPanic(arguments []udf.Value) (udf.Value, error) { panic(string(arguments[0].Bytes)) }

// sleep takes so many seconds.
func sleep(arguments []udf.Value) (udf.Value, error) {
	seconds, is := arguments[0].Number()
	if !is || !(seconds >= 0 && seconds <= 3600) {
		return udf.Value{}, errors.New("the argument is no number from 0 to 3600")
	}
	time.Sleep(time.Duration(seconds * float64(time.Second)))
	return arguments[0], nil
}

// pid is the process id of this guest.
func pid([]udf.Value) (udf.Value, error) { return udf.OfInteger(int64(os.Getpid())), nil }
