// SPDX-License-Identifier: Apache-2.0

package shm

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// A test that needs a host with a process of its own starts this program again, with this variable set to
// the region's name; it is a host then, until its input ends.
const hostVariable = "SHM_TEST_HOST"

// With this variable set, too, it calls all the time.
const callsVariable = "SHM_TEST_HOST_CALLS"

func TestMain(m *testing.M) {
	if name := os.Getenv(hostVariable); name != "" {
		e := &ExampleHost{}
		h := newUnfinishedHost(e, name, 2, 64)
		h.claimAsHost(e)
		h.finish()
		fmt.Println("ready")
		if os.Getenv(callsVariable) != "" {
			go h.callForever()
			io.Copy(io.Discard, os.Stdin)
			os.Exit(0) // who started it removes the region
		}
		io.Copy(io.Discard, os.Stdin)
		e.Close()
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func (h *host) callForever() {
	for {
		h.callers[0].call(MessageNormal, []byte("x"))
	}
}

// startHost starts a host with a process of its own.
func startHost(t *testing.T, name string, variables ...string) *exec.Cmd {
	t.Helper()
	// An emulator that runs this program runs the host, too.
	words := append(strings.Fields(os.Getenv("RUN_PROGRAMS_BY")), os.Args[0])
	command := exec.Command(words[0], words[1:]...)
	command.Env = append(append(os.Environ(), hostVariable+"="+name), variables...)
	command.Stderr = os.Stderr
	input, err := command.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	output, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		input.Close()
		command.Wait()
		removeName(name)
	})
	if line, err := bufio.NewReader(output).ReadString('\n'); line != "ready\n" {
		t.Fatalf("the host said %q, %v", line, err)
	}
	return command
}

func serveNamed(t *testing.T, name string, options ...Option) *Client {
	t.Helper()
	client, err := connectTo(name, options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	client.HandleMessage(echo)
	if err := client.Start(); err != nil {
		t.Fatal(err)
	}
	return client
}

func expectEnd(t *testing.T, client *Client, want error) {
	t.Helper()
	if err := client.Wait(); !errors.Is(err, want) {
		t.Errorf("Wait returned %v instead of %v", err, want)
	}
	if err := client.Close(); !errors.Is(err, want) {
		t.Errorf("Close returned %v instead of %v", err, want)
	}
}

// hideProcess makes the host's process id mean nothing to its guests, as in another pid namespace.
func (h *host) hideProcess() { h.line.pidNamespace = 0 }

// die is what guests see of a host that was killed.
func (h *host) die(t *testing.T) {
	t.Helper()
	if err := h.object.unclaim(claimHost); err != nil {
		t.Fatal(err)
	}
}

func TestAKilledHostIsMissed(t *testing.T) {
	bounded(t)
	name := freshName()
	host := startHost(t, name)
	client := serveNamed(t, name)
	if !client.now.watch.watchesProcess() {
		t.Error("the host's process is not watched")
	}
	if err := host.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	expectEnd(t, client, ErrPeerDied)
}

func TestAHostOfAnotherNamespaceIsMissed(t *testing.T) {
	bounded(t)
	h := newHost(t, 2, 64)
	h.hideProcess()
	client := serveNamed(t, h.name)
	h.callers[0].expect(t, MessageNormal, "x", ok(MessageNormal, "x"))
	h.die(t)
	expectEnd(t, client, ErrPeerDied)
	h.expectLeft(t, client)
}

// The id in the host line is a hint: that its process ends is not yet the host's death.
func TestTheEndOfSomeOtherProcessIsNoDeath(t *testing.T) {
	bounded(t)
	other := startHost(t, freshName())
	h := newHost(t, 1, 64)
	h.line.pid = uint32(other.Process.Pid)
	client := serveNamed(t, h.name)
	if err := other.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	eventually(client.now.watch.watchesClaim)
	h.callers[0].expect(t, MessageNormal, "x", ok(MessageNormal, "x"))
	h.die(t)
	expectEnd(t, client, ErrPeerDied)
}

func TestProcessIDsThatAreNone(t *testing.T) {
	bounded(t)
	for _, pid := range []uint32{0, 1<<31 - 1, 1 << 31, 1<<32 - 1} {
		h := newHost(t, 1, 64)
		h.line.pid = pid
		client := serveNamed(t, h.name)
		h.die(t)
		expectEnd(t, client, ErrPeerDied)
	}
}

func TestAHostThatDiedBeforeStart(t *testing.T) {
	bounded(t)
	h := newHost(t, 1, 64)
	client := h.connect(t)
	h.die(t)
	client.HandleMessage(echo)
	if err := client.Start(); err != nil {
		t.Fatal(err)
	}
	if err := client.Wait(); !errors.Is(err, ErrPeerDied) {
		t.Error(err)
	}
	client.now.why = errStopped // the cleanup expects an ordinary end
}

// A host that closes in order closes slot after slot, then gives its claim back.
func TestAnOrderlyEndIsNoDeath(t *testing.T) {
	bounded(t)
	for closed := 1; closed <= 2; closed++ { // it may be killed meanwhile
		h := newHost(t, 2, 64)
		h.hideProcess()
		client := serveNamed(t, h.name)
		for _, c := range h.callers[:closed] {
			c.set(codeClosed)
		}
		h.die(t)
		expectEnd(t, client, nil)
		h.expectLeft(t, client)
	}
}

// ---- The option WithReconnect -------------------------------------------------------------------

func waitLater(client *Client) <-chan error {
	ended := make(chan error, 1)
	go func() { ended <- client.Wait() }()
	return ended
}

// nextHost is another host of the name.
func nextHost(t *testing.T, name string) *host {
	t.Helper()
	h := newUnfinishedHost(t, name, 2, 64)
	h.hideProcess()
	h.claimAsHost(t)
	h.finish()
	return h
}

func TestAClientThatReconnectsServesTheNextHost(t *testing.T) {
	bounded(t)
	h := nextHost(t, freshName())
	client := serveNamed(t, h.name, WithReconnect())
	first, second := waitLater(client), waitLater(client)
	for turn := 0; turn < 4; turn++ {
		for _, c := range h.callers {
			c.expect(t, MessageNormal, "x", ok(MessageNormal, "x"))
			if turn%2 == 1 {
				c.set(codeClosed) // in order; else killed
			}
		}
		removeObject(h.object)
		h.die(t)
		h = nextHost(t, h.name)
	}
	h.callers[1].expect(t, MessageNormal, "x", ok(MessageNormal, "x"))
	if err := client.Close(); err != nil {
		t.Error(err)
	}
	for _, ended := range []<-chan error{first, second} {
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
	h.expectLeft(t, client)
}

func TestCloseEndsTheWaitForTheNextHost(t *testing.T) {
	bounded(t)
	h := nextHost(t, freshName())
	client := serveNamed(t, h.name, WithReconnect())
	ended := waitLater(client)
	h.die(t)
	<-client.now.done
	time.Sleep(5 * time.Millisecond) // or earlier, it does not matter
	client.Close()
	if err := <-ended; err != nil && !errors.Is(err, ErrPeerDied) {
		t.Error(err)
	}
}

func TestAShutdownEndsAClientThatReconnects(t *testing.T) {
	bounded(t)
	h := nextHost(t, freshName())
	client := serveNamed(t, h.name, WithReconnect())
	h.callers[1].expect(t, MessageShutdown, "", ok(MessageShutdown, ""))
	expectEnd(t, client, nil)
}

func TestANextHostThatIsNotOurs(t *testing.T) {
	bounded(t)
	h := nextHost(t, freshName())
	client := serveNamed(t, h.name, WithReconnect())
	removeObject(h.object)
	broken := newUnfinishedHost(t, h.name, 1, 64)
	broken.claimAsHost(t)
	broken.header.magic++
	atomic.StoreUint32(&broken.header.version, versionMajor<<16)
	h.die(t)
	if err := client.Wait(); !errors.Is(err, ErrNotARegion) || !strings.Contains(err.Error(), h.name) {
		t.Error(err)
	}
}
