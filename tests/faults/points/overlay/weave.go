// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"go/ast"
	"go/token"
	"go/types"
	"path/filepath"
	"sort"
	"strings"
)

// shared names the types whose fields stand in shared memory.
var shared = map[string]bool{"turnLine": true, "responderLine": true, "ownerLine": true, "annexLine": true}

// helpers says by which function of the runtime a call is made, by what it returns. A call that is not here stops the
// build: nobody shall forget one.
var helpers = map[string]string{
	"atomic.StoreUint32": "faultDo", "atomic.StoreInt64": "faultDo", "cpu.StoreRelease": "faultDo", "cpu.CopySmall": "faultDo",
	"cpu.Count": "faultDo", "cpu.SetCounter": "faultDo",
	"atomic.SwapUint32": "faultUpdate", "atomic.AddInt32": "faultUpdate", "atomic.AddUint32": "faultUpdate",
	"atomic.CompareAndSwapUint32": "faultUpdate",

	"unix.Geteuid": "faultUpdate", "os.Getpid": "faultUpdate",
	"unix.Close": "faultCannot", "unix.Munmap": "faultCannot", "unix.ClockGettime": "faultCannot",
	"unix.Fstat": "faultCall", "unix.Fstatfs": "faultCall", "unix.Ftruncate": "faultCall", "unix.Stat": "faultCall",
	"unix.UtimesNanoAt": "faultCall",
	"unix.FcntlFlock":   "faultCall", "unix.SetNonblock": "faultCall", "unix.Connect": "faultCall",
	"unix.SetsockoptTimeval": "faultCall",
	"unix.Open":              "faultCallFor", "unix.Pread": "faultCallFor", "unix.PidfdOpen": "faultCallFor",
	"unix.InotifyInit1": "faultCallFor", "unix.InotifyAddWatch": "faultCallFor",
	"unix.Poll": "faultCallFor", "unix.Mmap": "faultCallFor", "unix.Socket": "faultCallFor",
	"unix.FcntlInt": "faultCallFor", "unix.GetsockoptUcred": "faultCallFor", "rand.Read": "faultCallFor",
	"unix.Recvmsg":    "faultReceive",
	"syscall.Syscall": "faultSystem", "syscall.Syscall6": "faultSystem", "syscall.RawSyscall6": "faultSystem",
	"semaphore.Open": "faultCallFor",
	"Wait":           "faultCall", "WaitFor": "faultCall", "Post": "faultDo", "Close": "faultDo", // of a semaphore

	// Not a system call, or no store.
	"cpu.Spin": "", "cpu.Prefetch": "", "atomic.LoadPointer": "", "atomic.StorePointer": "", "unix.CmsgSpace": "", "unix.NsecToTimeval": "", "unix.NsecToTimespec": "", "unix.ParseSocketControlMessage": "", "unix.ParseUnixRights": "",
	"atomic.LoadUint32": "", "atomic.LoadInt32": "", "atomic.LoadInt64": "", "atomic.LoadUint64": "",
}

// results are the types of those whose helper has to be told.
var results = map[string]string{
	"atomic.SwapUint32": "uint32", "atomic.AddInt32": "int32", "atomic.AddUint32": "uint32",
	"atomic.CompareAndSwapUint32": "bool", "unix.Geteuid": "int", "os.Getpid": "int",
	"unix.Open": "int", "unix.Pread": "int", "unix.PidfdOpen": "int", "unix.InotifyInit1": "int", "unix.InotifyAddWatch": "int", "unix.Poll": "int", "unix.Mmap": "[]byte",
	"unix.Socket": "int", "unix.FcntlInt": "int", "unix.GetsockoptUcred": "*unix.Ucred", "rand.Read": "int",
	"semaphore.Open": "*semaphore.Semaphore",
}

// edit inserts text at an offset of a file, before what stands there or after what ends there.
type edit struct {
	at   int
	ends bool
	text string
}

// weave is the file with its points; empty if it has none.
func (w *weaver) weave(file *ast.File, source string) (string, error) {
	var edits []edit
	var problem error
	base := filepath.Base(w.set.Position(file.Pos()).Filename)
	offset := func(at token.Pos) int { return w.set.Position(at).Offset }
	for _, declared := range file.Decls {
		function, is := declared.(*ast.FuncDecl)
		if !is || function.Body == nil {
			continue
		}
		name := nameOf(function)
		ast.Inspect(function.Body, func(node ast.Node) bool {
			if node == nil {
				return true
			}
			from, to := offset(node.Pos()), offset(node.End())
			text := source[from:to]
			switch node := node.(type) {
			case *ast.AssignStmt:
				if w.storesPlainly(node) {
					n := w.point(base, name, text)
					edits = append(edits, edit{from, false, fmt.Sprintf("faultPoint(%d, 0); ", n)},
						edit{to, true, fmt.Sprintf("; faultPoint(%d, 1)", n)})
				}
			case *ast.CallExpr:
				before, after, err := w.around(node, base, name, source[from:to], offset)
				if err != nil {
					problem = fmt.Errorf("%v: %w", w.set.Position(node.Pos()), err)
				}
				if before != "" {
					edits = append(edits, edit{from, false, before}, edit{to, true, after})
				}
			}
			return true
		})
	}
	return apply(source, edits), problem
}

func nameOf(function *ast.FuncDecl) string {
	if function.Recv == nil {
		return function.Name.Name
	}
	receiver := function.Recv.List[0].Type
	if star, is := receiver.(*ast.StarExpr); is {
		receiver = star.X
	}
	return receiver.(*ast.Ident).Name + "." + function.Name.Name
}

// isShared tells whether an expression is a field in shared memory.
func (w *weaver) isShared(expression ast.Expr) bool {
	selector, is := expression.(*ast.SelectorExpr)
	if !is {
		return false
	}
	pointer, is := w.info.Types[selector.X].Type.(*types.Pointer)
	if !is {
		return false
	}
	named, is := pointer.Elem().(*types.Named)
	return is && shared[named.Obj().Name()]
}

func (w *weaver) storesPlainly(statement *ast.AssignStmt) bool {
	if statement.Tok == token.DEFINE {
		return false
	}
	for _, to := range statement.Lhs {
		if w.isShared(to) {
			return true
		}
	}
	return false
}

// calledName is PACKAGE.FUNCTION, the name of a semaphore's method, or empty.
func (w *weaver) calledName(call *ast.CallExpr) string {
	switch called := call.Fun.(type) {
	case *ast.Ident:
		if _, is := w.info.Uses[called].(*types.Builtin); is && called.Name == "copy" {
			return "copy"
		}
	case *ast.SelectorExpr:
		of, is := called.X.(*ast.Ident)
		if !is {
			return ""
		}
		if _, is := w.info.Uses[of].(*types.PkgName); is || isPackage(of.Name) {
			return of.Name + "." + called.Sel.Name
		}
		if of.Name == "s" && strings.Contains(fmt.Sprint(w.info.Types[called.X].Type), "namedSemaphore") {
			return called.Sel.Name
		}
	}
	return ""
}

func isPackage(name string) bool {
	switch name {
	case "atomic", "unix", "syscall", "cpu", "semaphore", "rand":
		return true
	}
	return false
}

// around is what stands before and after a call that gets points.
func (w *weaver) around(call *ast.CallExpr, base, function, text string, offset func(token.Pos) int) (before, after string,
	err error) {
	name := w.calledName(call)
	if name == "copy" {
		n := w.point(base, function, text)
		return fmt.Sprintf("faultUpdate(%d, func() int { return ", n), " })", nil
	}
	helper, known := helpers[name]
	prefix := strings.SplitN(name, ".", 2)[0]
	if !known && isPackage(prefix) && name != prefix {
		return "", "", fmt.Errorf("what does %s return? Tell the table of helpers", name)
	}
	if helper == "" {
		return "", "", nil
	}
	n := w.point(base, function, whatOf(call, name, text, offset))
	switch helper {
	case "faultDo":
		return fmt.Sprintf("faultDo(%d, func() { ", n), " })", nil
	case "faultUpdate":
		return fmt.Sprintf("faultUpdate(%d, func() %s { return ", n, results[name]), " })", nil
	case "faultCallFor":
		return fmt.Sprintf("faultCallFor(%d, func() (%s, error) { return ", n, results[name]), " })", nil
	case "faultSystem":
		return fmt.Sprintf("faultSystem(%d, func() (uintptr, uintptr, syscall.Errno) { return ", n), " })", nil
	case "faultReceive":
		return fmt.Sprintf("faultReceive(%d, func() (int, int, int, unix.Sockaddr, error) { return ", n), " })", nil
	}
	return fmt.Sprintf("%s(%d, func() error { return ", helper, n), " })", nil
}

// whatOf names a call by its function, and by its first argument if that is the word that it changes, or by what
// system call it makes.
func whatOf(call *ast.CallExpr, name, text string, offset func(token.Pos) int) string {
	tells := strings.HasPrefix(name, "atomic.") || strings.HasPrefix(name, "cpu.") || strings.HasPrefix(name, "syscall.")
	if !tells || len(call.Args) == 0 {
		return name
	}
	start := offset(call.Pos())
	return name + " " + text[offset(call.Args[0].Pos())-start:offset(call.Args[0].End())-start]
}

// apply inserts the edits, those of outer expressions first. At one place what ends comes before what begins, and the
// inner before the outer.
func apply(source string, edits []edit) string {
	if len(edits) == 0 {
		return ""
	}
	order := make([]int, len(edits))
	for i := range order {
		order[i] = i
	}
	sort.Slice(order, func(i, j int) bool {
		left, right := edits[order[i]], edits[order[j]]
		if left.at != right.at || left.ends != right.ends {
			return left.at < right.at || left.at == right.at && left.ends
		}
		return order[i] < order[j] != left.ends
	})
	var out strings.Builder
	done := 0
	for _, i := range order {
		out.WriteString(source[done:edits[i].at])
		out.WriteString(edits[i].text)
		done = edits[i].at
	}
	out.WriteString(source[done:])
	return out.String()
}
