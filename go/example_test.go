// SPDX-License-Identifier: Apache-2.0

package shm_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/xll-gen/shm/go"
)

// The whole program of a guest.
func Example() {
	client, _ := shm.Connect("MyIPC")

	client.Handle(func(req []byte, respBuf []byte) uint32 {
		// Process req, write to respBuf
		// Return number of bytes written
		return uint32(copy(respBuf, req)) // Echo
	})

	client.Start()
	client.Wait()
}

// Waiting for a host no longer than one wants to.
func ExampleConnectContext() {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	_, err := shm.ConnectContext(ctx, "nobody-is-called-so", shm.WithWorkers(2))
	fmt.Println(errors.Is(err, shm.ErrNoHost), errors.Is(err, context.DeadlineExceeded))
	// Output: true true
}

// A handler that knows two messages and may fail.
func ExampleClient_HandleMessage() {
	const upper, divide = shm.MessageFirstUser, shm.MessageFirstUser + 1
	host := shm.NewExampleHost() // stands for another process
	defer host.Close()

	client, err := shm.Connect(host.Name())
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()
	client.HandleMessage(func(request *shm.Request, response []byte) (int, error) {
		switch request.MessageID {
		case upper:
			return copy(response, strings.ToUpper(string(request.Data))), nil
		case divide:
			var a, b int
			if _, err := fmt.Sscan(string(request.Data), &a, &b); err != nil {
				return 0, fmt.Errorf("two numbers, please: %w", err)
			}
			return copy(response, fmt.Sprint(a/b)), nil
		}
		return 0, shm.ErrUnknownMessage
	})
	if err := client.Start(); err != nil {
		fmt.Println(err)
		return
	}

	fmt.Println(host.Call(upper, "hello"))
	fmt.Println(host.Call(divide, "42 6"))
	fmt.Println(host.Call(divide, "forty-two"))
	fmt.Println(host.Call(divide, "42 0"))
	fmt.Println(host.Call(200, ""))
	// Output:
	// status 0, message 128, "HELLO"
	// status 0, message 129, "7"
	// status 1, message 129, "two numbers, please: expected integer"
	// status 1, message 129, "panic: runtime error: integer divide by zero"
	// status 3, message 200, ""
}
