// Keeps threads busy in every way in which Go changes stacks, until it is killed.
package main

import (
	"fmt"
	"os"
	"os/signal"
	"reflect"
	"runtime"
	"sort"
	"syscall"
	"time"
)

var sink int

//go:noinline
func leaf(n int) int {
	for i := 0; i < 200; i++ {
		n += i ^ n
	}
	return n
}

// Deep enough to grow the stack of a new goroutine many times.
//
//go:noinline
func grow(n int) int {
	var room [64]int

	if n == 0 {
		return leaf(n)
	}
	room[n%64] = n
	return grow(n-1) + room[n%63]
}

//go:noinline
func allocate() int {
	all := make([][]byte, 0)
	m := map[string]int{}

	for i := 0; i < 200; i++ {
		all = append(all, make([]byte, 64+i*8))
		m[fmt.Sprint(i)] = i
	}
	return len(all) + len(m)
}

//go:noinline
func fault(p *int) (n int) {
	defer func() {
		if recover() != nil {
			n = leaf(1)
		}
	}()
	return *p
}

type byLast []int

func (a byLast) Len() int           { return len(a) }
func (a byLast) Less(i, j int) bool { return a[i]%17 < a[j]%17 }
func (a byLast) Swap(i, j int)      { a[i], a[j] = a[j], a[i] }

//go:noinline
func reflected() int {
	a := make(byLast, 100)

	for i := range a {
		a[i] = i * 7919
	}
	sort.Sort(a)
	return int(reflect.ValueOf(leaf).Call([]reflect.Value{reflect.ValueOf(3)})[0].Int())
}

//go:noinline
func clocks() int {
	n := 0

	for i := 0; i < 50; i++ {
		n += time.Now().Nanosecond()
	}
	return n
}

//go:noinline
func channels() int {
	c := make(chan int)

	go func() {
		for i := 0; i < 20; i++ {
			c <- grow(i)
		}
		close(c)
	}()
	n := 0
	for v := range c {
		n += v
	}
	return n
}

func work() {
	for {
		sink += leaf(1)
		sink += channels()
		sink += allocate()
		sink += fault(nil)
		sink += reflected()
		sink += clocks()
		sink += withC()
		done := make(chan int)
		go func() { done <- grow(300) }()
		sink += <-done
		runtime.Gosched()
	}
}

func main() {
	signals := make(chan os.Signal, 1)

	signal.Notify(signals, syscall.SIGUSR1)
	for i := 0; i < 3; i++ {
		go work()
	}
	fmt.Println("ready")
	for {
		syscall.Kill(syscall.Getpid(), syscall.SIGUSR1)
		<-signals
		time.Sleep(time.Millisecond)
	}
}
