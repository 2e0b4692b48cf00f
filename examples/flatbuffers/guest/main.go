// SPDX-License-Identifier: Apache-2.0

// A guest that takes orders of its host, and places those that it reads, one a line. Orders and receipts are FlatBuffers
// that are built and read in the slots:
//
//	guest NAME
//	tea 3.50 2 milk 1.20 1
package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"strings"

	"github.com/google/flatbuffers/go"
	"github.com/xll-gen/shm/examples/flatbuffers/guest/orders"
	"github.com/xll-gen/shm/go"
)

const orderID = shm.MessageFirstUser

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
	client.HandleMessage(shm.InPlace(takeOrder))
	if err := client.Start(); err != nil {
		log.Fatal(err)
	}
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		if err := placeOrder(client, lines.Text()); err != nil {
			log.Fatal(err)
		}
	}
}

// takeOrder answers an order with its receipt.
func takeOrder(request *shm.Request, response shm.ResponseBuffer) error {
	// Go's FlatBuffers have no verifier: an unsound message makes the accessors panic, which is an error at its sender.
	order := orders.GetRootAsOrder(request.Data, 0)
	if order.ItemsLength() == 0 {
		return errors.New("an order of nothing")
	}
	var item orders.Item
	var dearest string
	var total, highest float64
	for i := 0; i < order.ItemsLength(); i++ {
		order.Items(&item, i)
		price := item.Price() // once: the host might change it between two looks
		total += price * float64(item.Count())
		if i == 0 || price > highest {
			highest, dearest = price, string(item.Name())
		}
	}
	builder := builderIn(response.End())
	name := builder.CreateString(dearest)
	orders.ReceiptStart(builder)
	orders.ReceiptAddItems(builder, uint32(order.ItemsLength()))
	orders.ReceiptAddTotal(builder, total)
	orders.ReceiptAddDearest(builder, name)
	builder.Finish(orders.ReceiptEnd(builder))
	return response.SendMessage(builder.FinishedBytes())
}

// builderIn builds from the end of a buffer downwards. If it needs more, it goes on in memory of its own, and what it
// has built is copied if it fits after all.
func builderIn(buffer []byte) *flatbuffers.Builder {
	builder := &flatbuffers.Builder{Bytes: buffer}
	builder.Reset()
	return builder
}

// placeOrder places an order "NAME PRICE COUNT NAME PRICE COUNT ..." and prints the receipt.
func placeOrder(client *shm.Client, line string) error {
	ctx := context.Background()
	request, err := client.Acquire(ctx)
	if err != nil {
		return err
	}
	defer request.Release() // unless it is sent
	builder := builderIn(request.End())
	if !buildOrder(builder, line) {
		fmt.Println("not an order:", line)
		return nil
	}
	response, err := request.SendMessage(ctx, orderID, builder.FinishedBytes())
	var failed *shm.CallError
	switch {
	case errors.Is(err, shm.ErrHandlerFailed) && errors.As(err, &failed):
		fmt.Println("refused:", failed.Text())
		return nil
	case errors.Is(err, shm.ErrRequestTooLarge):
		fmt.Println("SIPC_REQUEST_TOO_LARGE:", err)
		return nil
	case err != nil:
		return err
	}
	defer response.Release()
	return printReceipt(response.Bytes())
}

func buildOrder(builder *flatbuffers.Builder, line string) bool {
	var items []flatbuffers.UOffsetT
	for words := strings.NewReader(line); ; {
		var name string
		var price float64
		var count uint32
		read, _ := fmt.Fscan(words, &name, &price, &count)
		if read == 0 {
			break
		}
		if read != 3 {
			return false
		}
		text := builder.CreateString(name)
		orders.ItemStart(builder)
		orders.ItemAddName(builder, text)
		orders.ItemAddPrice(builder, price)
		orders.ItemAddCount(builder, count)
		items = append(items, orders.ItemEnd(builder))
	}
	orders.OrderStartItemsVector(builder, len(items))
	for i := len(items) - 1; i >= 0; i-- {
		builder.PrependUOffsetT(items[i])
	}
	vector := builder.EndVector(len(items))
	orders.OrderStart(builder)
	orders.OrderAddItems(builder, vector)
	builder.Finish(orders.OrderEnd(builder))
	return true
}

// printReceipt reads a receipt where it stands. One that is unsound panics.
func printReceipt(message []byte) (err error) {
	defer func() {
		if recover() != nil {
			err = errors.New("this is no receipt")
		}
	}()
	receipt := orders.GetRootAsReceipt(message, 0)
	fmt.Printf("%d items, %.2f in all, the dearest is %s\n", receipt.Items(), receipt.Total(), receipt.Dearest())
	return nil
}
