// Go calls C, and C calls Go back.
package main

/*
#cgo CFLAGS: -O2 -g
#include <stdint.h>
extern void goBack(void);
void c_enter(int place);
void c_calls_back(void);
uint64_t c_clock(void);
uint64_t c_ns(int place);
*/
import "C"

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
)

var goNs, backNs uint64

//go:noinline
func goLeaf(x uint64) uint64 {
	for i := 0; i < 200000; i++ {
		x = x*3 + 1
	}
	return x
}

//go:noinline
func toC() {
	C.c_enter(0)
}

//go:noinline
func toCAndBack() {
	C.c_calls_back()
}

//go:noinline
func inGo() uint64 {
	return goLeaf(1) + 1
}

//go:noinline
//export goBack
func goBack() {
	goLeaf(2)
	goLeaf(3)
}

//go:noinline
func truth_warm(ms uint64) {
	for end := uint64(C.c_clock()) + ms*1e6; uint64(C.c_clock()) < end; {
		goLeaf(1)
		C.c_enter(1)
	}
}

func number(name string, otherwise uint64) uint64 {
	if n, err := strconv.ParseUint(os.Getenv(name), 10, 64); err == nil {
		return n
	}
	return otherwise
}

func main() {
	runtime.LockOSThread()
	wanted := number("TRUTH_CPU_MS", 1000) * 1e6
	truth_warm(number("TRUTH_WARM_MS", 300))
	for uint64(C.c_ns(0))+goNs+backNs < wanted {
		toC()
		start := uint64(C.c_clock())
		toCAndBack()
		middle := uint64(C.c_clock())
		inGo()
		backNs += middle - start
		goNs += uint64(C.c_clock()) - middle
	}
	fmt.Printf("{\"stack\": \"main.main main.toC ... c_enter c_leaf\", \"cpu_ns\": %d}\n", uint64(C.c_ns(0)))
	fmt.Printf("{\"stack\": \"main.main main.toCAndBack ... c_calls_back ... main.goBack main.goLeaf\", \"cpu_ns\": %d}\n", backNs)
	fmt.Printf("{\"stack\": \"main.main main.inGo main.goLeaf\", \"cpu_ns\": %d}\n", goNs)
	fmt.Println("{\"stack\": \"main.main main.truth_warm ... c_enter c_leaf\", \"cpu_ns\": 0}")
	fmt.Println("{\"calls_library\": [\"main.main\", \"main.toC\", \"main.toCAndBack\", \"c_calls_back\"]}")
}
