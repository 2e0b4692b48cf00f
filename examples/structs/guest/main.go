// SPDX-License-Identifier: Apache-2.0

// A guest that measures triangles, which it reads where the host has written them:
//
//	guest NAME
package main

import (
	"log"
	"os"

	"github.com/xll-gen/shm/go"
)

// As in ../triangle.h.
type point struct{ X, Y float64 }

type triangle struct {
	Corners [3]point
	Number  int64
}

type measures struct {
	Area   float64
	Centre point
	Number int64
}

func measure(request *shm.Request, response shm.ResponseBuffer) error {
	asked, err := shm.StructIn[triangle](request.Data)
	if err != nil {
		return err
	}
	measured, size, err := shm.StructFor[measures](response.Bytes())
	if err != nil {
		return err
	}
	at := &asked.Corners
	// Of corners in the order of the clock's hands it is negative.
	measured.Area = ((at[1].X-at[0].X)*(at[2].Y-at[0].Y) - (at[2].X-at[0].X)*(at[1].Y-at[0].Y)) / 2
	for i := range at {
		measured.Centre.X += at[i].X / 3
		measured.Centre.Y += at[i].Y / 3
	}
	measured.Number = asked.Number
	return response.Send(size)
}

func main() {
	log.SetFlags(0)
	name := "example"
	if len(os.Args) > 1 {
		name = os.Args[1]
	}
	client, err := shm.Connect(name)
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	client.HandleMessage(shm.InPlace(measure))
	if err := client.Start(); err != nil {
		log.Fatal(err)
	}
	if err := client.Wait(); err != nil {
		log.Fatal(err)
	}
}
