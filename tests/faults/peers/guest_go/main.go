// SPDX-License-Identifier: Apache-2.0

// Guest_go plays the guests in Go of those rows that need more than the process tests' guest:
//
//	guest_go beset NAME CAPACITY   serves both regions of beset_host until the end of its input
//	guest_go attach                attaches once to each region named on its input, and says how that went
//	guest_go churn NAME            connects and closes as its input says
//	guest_go echo NAME             serves until its host closes, and sleeps in every wait
//	guest_go signals NAME          serves until its host closes, and says how many signals it caught
package main

import (
	"fmt"
	"os"
	"strconv"
)

func main() {
	words := os.Args[1:]
	switch {
	case len(words) == 3 && words[0] == "beset":
		capacity, err := strconv.Atoi(words[2])
		must(err)
		beset(words[1], capacity)
	case len(words) == 1 && words[0] == "attach":
		attachEach()
	case len(words) == 2 && words[0] == "churn":
		churn(words[1])
	case len(words) == 2 && words[0] == "echo":
		echo(words[1])
	case len(words) == 2 && words[0] == "signals":
		signals(words[1])
	default:
		fmt.Fprintf(os.Stderr, "guest_go: cannot play %q\n", words)
		os.Exit(2)
	}
}

func say(format string, values ...interface{}) { fmt.Printf(format+"\n", values...) }

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "guest_go:", err)
		os.Exit(3)
	}
}
