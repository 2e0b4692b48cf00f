// SPDX-License-Identifier: Apache-2.0

// Command guest adds up prices for which it asks its host, from inside the handler of the host's own request:
//
//	guest NAME
package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log"
	"math"
	"os"
	"strings"

	shm "github.com/xll-gen/shm/go"
)

const (
	messagePrice = shm.MessageFirstUser // asked of the host
	messageTotal = shm.MessageFirstUser + 1
)

// price asks the host.
func price(client *shm.Client, item string) (float64, error) {
	var response [8]byte
	n, err := client.Call(context.Background(), messagePrice, []byte(item), response[:])
	var failed *shm.CallError
	switch {
	case errors.Is(err, shm.ErrHandlerFailed) && errors.As(err, &failed):
		return 0, errors.New(failed.Text()) // what the host's handler said
	case err != nil:
		return 0, err
	case n != len(response):
		return 0, fmt.Errorf("the price of %s has %d bytes", item, n)
	}
	return math.Float64frombits(binary.LittleEndian.Uint64(response[:])), nil
}

func main() {
	name := "example"
	if len(os.Args) > 1 {
		name = os.Args[1]
	}
	client, err := shm.Connect(name)
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	client.HandleMessage(func(request *shm.Request, response []byte) (int, error) {
		if request.MessageID != messageTotal {
			return 0, shm.ErrUnknownMessage
		}
		total := 0.0
		for _, item := range strings.Fields(string(request.Data)) {
			one, err := price(client, item)
			if err != nil {
				return 0, err
			}
			total += one
		}
		binary.LittleEndian.PutUint64(response, math.Float64bits(total))
		return 8, nil
	})
	if err := client.Start(); err != nil {
		log.Fatal(err)
	}
	if err := client.Wait(); err != nil {
		log.Fatal(err)
	}
}
