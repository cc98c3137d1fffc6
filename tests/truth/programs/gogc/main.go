// Work for the collector: what of it runs on the stacks of the system is followed to its callers.
package main

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
)

type node struct {
	left, right *node
	load        [4]uint64
}

var kept *node

//go:noinline
func grow(depth int) *node {
	if depth == 0 {
		return &node{}
	}
	return &node{left: grow(depth - 1), right: grow(depth - 1)}
}

//go:noinline
func truth_warm() {
	for i := 0; i < 6; i++ {
		kept = grow(16)
		runtime.GC()
	}
}

//go:noinline
func churn(rounds int) {
	for i := 0; i < rounds; i++ {
		kept = grow(12)
	}
}

func main() {
	ms, err := strconv.Atoi(os.Getenv("TRUTH_CPU_MS"))
	if err != nil {
		ms = 1000
	}
	truth_warm()
	churn(ms * 2)
	fmt.Println("{\"stack\": \"main.main main.churn main.grow ...\", \"cpu_ns\": 0}")
	fmt.Println("{\"calls\": [\"main.grow\", \"main.grow\"]}")
	fmt.Println("{\"calls\": [\"main.main\", \"main.truth_warm\", \"main.grow\"]}")
	fmt.Println("{\"calls_library\": [\"main.main\", \"main.churn\", \"main.grow\", \"main.truth_warm\"]}")
}
