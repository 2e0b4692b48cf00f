// SPDX-License-Identifier: Apache-2.0

// Package semaphoretest creates POSIX named semaphores, as a host does, for the tests of the guest. It
// is empty in a build without cgo.
package semaphoretest
