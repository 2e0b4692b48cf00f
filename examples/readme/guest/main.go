// SPDX-License-Identifier: Apache-2.0

package main

import "github.com/xll-gen/shm/go"

func main() {
	client, _ := shm.Connect("MyIPC")

	client.Handle(func(req []byte, respBuf []byte) uint32 {
		// Process req, write to respBuf
		// Return number of bytes written
		return uint32(copy(respBuf, req)) // Echo
	})

	client.Start()
	client.Wait()
}
