// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"

	shm "github.com/xll-gen/shm/go"
)

// echo serves until its host closes, and sleeps in every wait.
func echo(name string) {
	client, err := shm.ConnectContext(context.Background(), name, shm.WithWait(shm.WaitPolicy{}))
	must(err)
	client.Handle(func(request, response []byte) uint32 { return uint32(copy(response, request)) })
	must(client.Start())
	say("attached %d\nready", client.Slots())
	must(client.Wait())
	must(client.Close())
}
