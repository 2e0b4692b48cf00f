// SPDX-License-Identifier: Apache-2.0

package shm

import (
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// How long one try waits for a host that is there. It answers within microseconds; one that does not is
// asked again, so that who wants to stop is not held up.
const (
	leastHandoverPatience = 10 * time.Millisecond
	mostHandoverPatience  = 50 * time.Millisecond
)

// regionSeals are those that a sealed region bears at the least.
const regionSeals = unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_SEAL

// handoverDescriptors is more than the one that is expected, so that others are seen and closed.
const handoverDescriptors = 8

func openSealed(folder, name string, anyOwner bool, deadline time.Time) (*object, error) {
	path := folder + "/simpleipc." + name
	if len(path) > maxSocketPath {
		return nil, &failure{ErrBadName, fmt.Sprintf(
			"the path of the socket of %q has %d bytes, %d of them the folder's; at most %d will do: shorten the name or the folder",
			name, len(path), len(folder), maxSocketPath), nil}
	}
	end := time.Now().Add(handoverPatience(deadline))
	connection, err := connectSealed(path, end)
	if err != nil {
		return nil, err
	}
	defer unix.Close(connection)
	if err := checkSealedHost(connection, path, anyOwner); err != nil {
		return nil, err
	}
	if err := awaitHandover(connection, path, end); err != nil {
		return nil, err
	}
	return receiveSealed(connection, path)
}

// ---- The host ----

// connectSealed connects to what stands at the path, not to what a symbolic link there leads to.
func connectSealed(path string, end time.Time) (int, error) {
	found, err := unix.Open(path, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	switch {
	case err == unix.ENOENT:
		return -1, fs.ErrNotExist
	case err == unix.EACCES:
		return -1, unreachable(path, err)
	case err != nil:
		return -1, systemError("look for the socket "+path, err)
	}
	defer unix.Close(found)
	var status unix.Stat_t
	if err := unix.Fstat(found, &status); err != nil {
		return -1, systemError("fstat "+path, err)
	}
	if status.Mode&unix.S_IFMT != unix.S_IFSOCK {
		return -1, &failure{ErrNotARegion, path + " is not a socket; remove it or use another folder", nil}
	}
	connection, err := unix.Socket(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, systemError("make a socket", err)
	}
	if err := connectBy(connection, found, end); err != nil {
		unix.Close(connection)
		return -1, whyNotConnected(path, err)
	}
	return connection, nil
}

// connectBy uses the socket's descriptor: the path may lead elsewhere by now. It waits for a place in a full
// queue in the kernel rather than asking again and again, since a crowd that does not wait would always be ahead.
func connectBy(connection, found int, end time.Time) error {
	address := &unix.SockaddrUnix{Name: fmt.Sprintf("/proc/self/fd/%d", found)}
	for {
		left := time.Until(end)
		if left < time.Microsecond {
			left = time.Microsecond // none would be for ever
		}
		limit := unix.NsecToTimeval(int64(left))
		if err := unix.SetsockoptTimeval(connection, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &limit); err != nil {
			return err
		}
		if err := unix.Connect(connection, address); err != unix.EINTR {
			return err
		}
	}
}

func unreachable(path string, err error) error {
	return &failure{ErrForbidden, "may not reach the socket " + path + "; let the host name this program's user", err}
}

func whyNotConnected(path string, err error) error {
	switch err {
	case unix.ECONNREFUSED:
		return &notReady{"nobody listens at " + path}
	case unix.EAGAIN:
		return &notReady{"too many wait at " + path}
	case unix.EACCES, unix.EPERM:
		return unreachable(path, err)
	case unix.EPROTOTYPE:
		return &failure{ErrNotARegion, path + " is another program's socket; use another name or folder", nil}
	}
	return systemError("connect to "+path+" by /proc", err)
}

func checkSealedHost(connection int, path string, anyOwner bool) error {
	credentials, err := unix.GetsockoptUcred(connection, unix.SOL_SOCKET, unix.SO_PEERCRED)
	if err != nil {
		return systemError("ask who listens at "+path, err)
	}
	if anyOwner || isUser(credentials.Uid, uint32(unix.Geteuid())) {
		return nil
	}
	return &failure{ErrForbidden, fmt.Sprintf(
		"the host at %s is user %d and not %d; WithAnyOwner accepts it if you trust that user",
		path, credentials.Uid, unix.Geteuid()), nil}
}

// isUser tells whether they are the same user. An id that means nothing in this user namespace is nobody's.
func isUser(one, other uint32) bool {
	return one == other && (one != overflowUser || everyUserIsKnown())
}

// everyUserIsKnown holds in the first user namespace, and in one that maps all of it.
func everyUserIsKnown() bool {
	text, err := os.ReadFile("/proc/self/uid_map")
	fields := strings.Fields(string(text))
	return err == nil && len(fields) >= 3 && fields[2] == "4294967295"
}

// ---- The handover ----

func handoverPatience(deadline time.Time) time.Duration {
	left := time.Until(deadline)
	if left < leastHandoverPatience {
		return leastHandoverPatience
	}
	if left > mostHandoverPatience {
		return mostHandoverPatience
	}
	return left
}

func awaitHandover(connection int, path string, end time.Time) error {
	polled := []unix.PollFd{{Fd: int32(connection), Events: unix.POLLIN}}
	for {
		left := time.Until(end)
		if left < 0 {
			left = 0
		}
		n, err := unix.Poll(polled, int((left+time.Millisecond-1)/time.Millisecond))
		switch {
		case n > 0:
			return nil
		case err == unix.EINTR:
		case err != nil:
			return systemError("wait at "+path, err)
		default:
			return &notReady{"a process listens at " + path + ", but did not hand out a region in time"}
		}
	}
}

func receiveSealed(connection int, path string) (*object, error) {
	var message handover
	bytes := (*[handoverSize]byte)(unsafe.Pointer(&message))[:]
	control := make([]byte, unix.CmsgSpace(4*handoverDescriptors))
	size, controlSize, flags, _, err := unix.Recvmsg(connection, bytes, control, unix.MSG_DONTWAIT|unix.MSG_CMSG_CLOEXEC)
	if err == unix.ECONNRESET {
		return nil, &notReady{"the host at " + path + " ended"}
	}
	if err != nil {
		return nil, systemError("receive at "+path, err)
	}
	came := descriptorsIn(control[:controlSize])
	if size == 0 && len(came) == 0 {
		return nil, &notReady{"the host at " + path + " closed the connection"}
	}
	err = checkHandover(&message, size, flags, len(came), path)
	if err == nil {
		err = checkSealed(came[0], path)
	}
	if err != nil {
		for _, descriptor := range came {
			unix.Close(descriptor)
		}
		return nil, err
	}
	return &object{descriptor: came[0], path: path}, nil
}

func descriptorsIn(control []byte) (came []int) {
	parts, err := unix.ParseSocketControlMessage(control)
	if err != nil {
		return nil
	}
	for index := range parts {
		if rights, err := unix.ParseUnixRights(&parts[index]); err == nil {
			came = append(came, rights...)
		}
	}
	return came
}

func checkHandover(message *handover, size, flags, descriptors int, path string) error {
	switch {
	case size != handoverSize || flags&unix.MSG_TRUNC != 0 || message.magic != magic || message.answer > handoverRefused:
		return &failure{ErrNotARegion, fmt.Sprintf("what answers at %s with %d bytes is not a SimpleIPC host", path, size), nil}
	case message.answer == handoverRefused:
		return &failure{ErrForbidden, fmt.Sprintf("the host at %s does not admit user %d; name it in the host's options",
			path, unix.Geteuid()), nil}
	case flags&unix.MSG_CTRUNC != 0:
		return &failure{ErrSystem, "the region at " + path +
			" did not arrive, for want of descriptors or with too many of them; raise the limit of open files", nil}
	case descriptors != 1:
		return &failure{ErrNotARegion, fmt.Sprintf("%d descriptors came from %s instead of one", descriptors, path), nil}
	}
	return nil
}

// checkSealed refuses huge pages too: a peer that gives some back would end this process by a signal,
// whatever the seals.
func checkSealed(descriptor int, path string) error {
	seals, err := unix.FcntlInt(uintptr(descriptor), unix.F_GET_SEALS, 0)
	if err != nil || seals&regionSeals != regionSeals {
		return &failure{ErrNotARegion, fmt.Sprintf("the object from %s bears the seals %#x and not all of %#x",
			path, seals, regionSeals), err}
	}
	var system unix.Statfs_t
	if err := unix.Fstatfs(descriptor, &system); err != nil || int64(system.Type) != unix.TMPFS_MAGIC {
		return &failure{ErrNotARegion, "the object from " + path + " does not lie in ordinary pages", err}
	}
	return nil
}
