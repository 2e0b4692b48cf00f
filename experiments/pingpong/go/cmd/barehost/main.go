// SPDX-License-Identifier: Apache-2.0

// Command barehost is the host of the bare ping-pong: it creates the region, starts the guest or
// waits for one, measures every layout at every size and prints the table.
package main

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	bare "github.com/xll-gen/shm/experiments/pingpong/go"
)

const silence = 10 * time.Second

type options struct {
	name           string
	guest          string
	hostProcessor  int
	guestProcessor int
	rounds         int
	wait           int
	inPlace        bool
	sizes          []uint32
}

func parseSizes(list string) ([]uint32, error) {
	var sizes []uint32
	for _, text := range strings.Split(list, ",") {
		size, err := strconv.ParseUint(text, 10, 32)
		if err != nil || size > bare.MaxSize {
			return nil, fmt.Errorf("--sizes: %q is not a size from 0 to %d", text, bare.MaxSize)
		}
		sizes = append(sizes, uint32(size))
	}
	return sizes, nil
}

func parseOptions() (options, error) {
	var o options
	list := "8,16,32,64,128,256,1024,4096,16384,65536,262144,1048576"
	flag.StringVar(&o.name, "name", fmt.Sprintf("simpleipc-bare-%d", os.Getpid()), "the region's name")
	flag.StringVar(&o.guest, "guest", "", "start this guest; without it, wait for one that attaches")
	flag.IntVar(&o.hostProcessor, "cpu", -1, "the host's processor")
	flag.IntVar(&o.guestProcessor, "guest-cpu", -1, "the guest's processor")
	flag.IntVar(&o.rounds, "rounds", 250, "windows of each layout and size")
	flag.IntVar(&o.wait, "wait", 5, "seconds to wait for the guest to attach")
	flag.BoolVar(&o.inPlace, "in-place", false, "the guest's handler works on the region's buffers")
	flag.StringVar(&list, "sizes", list, "bytes, separated by commas")
	flag.Parse()
	if flag.NArg() > 0 {
		return o, fmt.Errorf("unknown argument %q", flag.Arg(0))
	}
	if o.rounds < 1 || o.rounds > 1000000 || o.wait < 1 || o.wait > 3600 {
		return o, fmt.Errorf("--rounds is 1 to 1000000, --wait 1 to 3600; they are %d and %d",
			o.rounds, o.wait)
	}
	if err := bare.CheckName(o.name); err != nil {
		return o, err
	}
	var err error
	o.sizes, err = parseSizes(list)
	return o, err
}

func (o *options) chooseProcessors() error {
	allowed := bare.AllowedProcessors()
	if o.hostProcessor < 0 && len(allowed) > 0 {
		o.hostProcessor = allowed[0]
	}
	for i := 0; i < len(allowed) && o.guestProcessor < 0; i++ {
		if allowed[i] != o.hostProcessor {
			o.guestProcessor = allowed[i]
		}
	}
	if o.guestProcessor < 0 || o.guestProcessor == o.hostProcessor {
		return fmt.Errorf("bare host: host and guest spin and need a processor each")
	}
	return nil
}

// guestWatch tells a guest that is gone, or silent for too long, from a busy one.
type guestWatch struct {
	process *os.Process // started by this host; nil for a foreign guest
	pid     int
	ended   uint32 // 1 once the child has been collected
	done    chan struct{}
	waiting time.Time // when the exchange that is waited for was first asked about
	answers uint64    // exchanges done
	asked   uint64
}

func (w *guestWatch) start(program, name string, processor int) error {
	command := exec.Command(program, "--name", name, "--cpu", strconv.Itoa(processor))
	command.Stdout, command.Stderr = os.Stdout, os.Stderr
	if err := command.Start(); err != nil {
		return fmt.Errorf("bare host: cannot start guest: %w", err)
	}
	w.process, w.done = command.Process, make(chan struct{})
	go func() {
		if err := command.Wait(); err != nil {
			fmt.Fprintln(os.Stderr, "bare host: the guest ended:", err)
		}
		atomic.StoreUint32(&w.ended, 1)
		close(w.done)
	}()
	return nil
}

func (w *guestWatch) alive() bool {
	if w.process != nil && atomic.LoadUint32(&w.ended) != 0 {
		return false
	}
	if w.process == nil && syscall.Kill(w.pid, 0) == syscall.ESRCH {
		return false
	}
	if w.waiting.IsZero() || w.asked != w.answers {
		w.waiting, w.asked = time.Now(), w.answers
	}
	if time.Since(w.waiting) < silence {
		return true
	}
	fmt.Fprintln(os.Stderr, "bare host: no answer from the guest for", silence)
	return false
}

// end collects the guest; one that has not been told to quit is killed.
func (w *guestWatch) end(quit bool) {
	if w.process == nil {
		return
	}
	if !quit {
		_ = w.process.Kill()
	}
	<-w.done
}

func (w *guestWatch) attach(host *bare.Host, o *options) error {
	if o.guest != "" {
		if err := w.start(o.guest, o.name, o.guestProcessor); err != nil {
			return err
		}
	}
	pid, there := host.AwaitGuest(time.Duration(o.wait) * time.Second)
	if !there {
		return fmt.Errorf("bare host: no guest attached to %q within %d s", o.name, o.wait)
	}
	w.pid = pid
	return nil
}

func run(o options) (err error) {
	if err := o.chooseProcessors(); err != nil {
		return err
	}
	region, err := bare.CreateRegion(o.name)
	if err != nil {
		return err
	}
	watch := &guestWatch{}
	host := bare.NewHost(region, watch.alive)
	defer func() { watch.end(err == nil) }()
	err = watch.attach(host, &o)
	bare.RemoveRegion(o.name) // both have it mapped: nothing stays behind, whatever happens
	if err != nil {
		return err
	}
	// Only now: a child inherits the processors of the thread that starts it.
	runtime.LockOSThread()
	if err := bare.Pin(o.hostProcessor); err != nil {
		return err
	}
	if err := measureAll(host, watch, &o); err != nil {
		return err
	}
	host.Quit()
	return nil
}

func main() {
	o, err := parseOptions()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bare host:", err)
		flag.Usage()
		os.Exit(2)
	}
	if err := run(o); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
