// SPDX-License-Identifier: Apache-2.0

// Command bareguest is the guest of the bare ping-pong: it serves windows until the host quits or
// ends.
package main

import (
	"flag"
	"fmt"
	"os"
	"runtime"

	bare "github.com/xll-gen/shm/experiments/pingpong/go"
)

func echo(request, response []byte) { copy(response, request) }

func serve(name string, processor int) error {
	runtime.LockOSThread()
	region, err := bare.AttachRegion(name)
	if err != nil {
		return err
	}
	err = bare.OnEnd(bare.HostPid(region), func() {
		fmt.Fprintln(os.Stderr, "bare guest: the host process ended")
		os.Exit(1)
	})
	if err != nil {
		return err
	}
	if processor >= 0 {
		if err := bare.Pin(processor); err != nil {
			return err
		}
	}
	guest, err := bare.NewGuest(region, echo, nil)
	if err != nil {
		return err
	}
	for more := true; more && err == nil; {
		more, err = guest.ServeWindow()
	}
	return err
}

func main() {
	name := flag.String("name", "", "the region's name")
	processor := flag.Int("cpu", -1, "the processor to run on")
	flag.Parse()
	if err := bare.CheckName(*name); err != nil || flag.NArg() > 0 {
		fmt.Fprintln(os.Stderr, "bare guest: --name is missing or bad, or there are extra arguments:",
			err, flag.Args())
		flag.Usage()
		os.Exit(2)
	}
	if err := serve(*name, *processor); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
