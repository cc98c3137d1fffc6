// Goroutines whose leaves have no frame at all; each stays on its thread, whose clock is read.
package main

import (
	"fmt"
	"math/rand"
	"os"
	"runtime"
	"strconv"
	"sync"
	"syscall"
	"unsafe"
)

type place struct {
	stack string
	us    uint64
	ns    uint64
}

var places = []place{
	{"main.main.func1 main.worker main.outer main.frameless", 300, 0},
	{"main.main.func1 main.worker main.big main.frameless", 200, 0},
	{"main.main.func1 main.worker main.(*square).area main.frameless", 150, 0},
	{"main.main.func1 main.worker main.calls main.apply main.calls.func1 main.frameless", 100, 0},
	{"main.main.func2 main.other main.outer main.frameless", 200, 0},
}

func clock() uint64 {
	var t syscall.Timespec
	syscall.RawSyscall(syscall.SYS_CLOCK_GETTIME, 3, uintptr(unsafe.Pointer(&t)), 0)
	return uint64(t.Sec)*1e9 + uint64(t.Nsec)
}

//go:noinline
func frameless(x uint64) uint64 {
	for i := 0; i < 200000; i++ {
		x = x*3 + 1
	}
	return x
}

//go:noinline
func outer(x uint64) uint64 {
	return frameless(x) + 1
}

//go:noinline
func big(x uint64) uint64 {
	var room [500]uint64
	room[x%500] = frameless(x)
	return room[(x+1)%500]
}

type shape interface{ area(x uint64) uint64 }
type square struct{ side uint64 }

//go:noinline
func (s *square) area(x uint64) uint64 {
	return frameless(x) * s.side
}

//go:noinline
func calls(x uint64) uint64 {
	f := func(y uint64) uint64 { return frameless(y) + x }
	return apply(f, x)
}

func apply(f func(uint64) uint64, x uint64) uint64 { return f(x) }

//go:noinline
func truth_warm(ms uint64) {
	for end := clock() + ms*1e6; clock() < end; {
		frameless(1)
	}
}

func number(name string, otherwise uint64) uint64 {
	if n, err := strconv.ParseUint(os.Getenv(name), 10, 64); err == nil {
		return n
	}
	return otherwise
}

//go:noinline
func worker(wanted uint64) {
	runtime.LockOSThread()
	var sum, x uint64
	for sum < wanted {
		for i := 0; i < 4; i++ {
			start := clock()
			// Never in step with the sampler.
			end := start + uint64(rand.ExpFloat64()*float64(places[i].us)*1000)
			for now := start; now < end; now = clock() {
				switch i {
				case 0:
					x += outer(x)
				case 1:
					x += big(x)
				case 2:
					x += shape(&square{x}).area(x)
				case 3:
					x += calls(x)
				}
			}
			took := clock() - start
			places[i].ns += took
			sum += took
		}
	}
}

//go:noinline
func other(wanted uint64) {
	runtime.LockOSThread()
	start := clock()
	for clock() < start+wanted {
		outer(wanted)
	}
	places[4].ns += clock() - start
}

func main() {
	wanted := number("TRUTH_CPU_MS", 1000) * 1e6
	truth_warm(number("TRUTH_WARM_MS", 300))
	var wait sync.WaitGroup
	wait.Add(2)
	go func() { worker(wanted * 3 / 4); wait.Done() }()
	go func() { other(wanted / 4); wait.Done() }()
	wait.Wait()
	for _, p := range places {
		fmt.Printf("{\"stack\": %q, \"cpu_ns\": %d}\n", p.stack, p.ns)
	}
	fmt.Println("{\"called_by_library\": [\"main.main.func1\", \"main.main.func2\"]}")
	fmt.Println("{\"calls_library\": [\"main.worker\", \"main.other\", \"main.main.func1\", \"main.main.func2\", \"main.calls\"]}")
	fmt.Println("{\"calls\": [\"main.main.func1\", \"main.worker\"]}")
	fmt.Println("{\"calls\": [\"main.main.func2\", \"main.other\"]}")
	fmt.Println("{\"calls\": [\"main.calls\", \"main.apply\", \"main.calls.func1\"]}")
}
