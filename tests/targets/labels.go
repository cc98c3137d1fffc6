// Two goroutines' worth of work under labels: of its CPU time 60 parts of 100 are in one set, 30 in another,
// 10 in none.
package main

import (
	"context"
	"fmt"
	"runtime/pprof"
	"syscall"
	"time"
)

var sink uint64

// What the program used: by the clock on the wall the parts of a busy machine are others.
func used() time.Duration {
	var u syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

//go:noinline
func burn(d time.Duration) {
	for end := used() + d; used() < end; {
		for i := uint64(0); i < 20000; i++ {
			sink = sink*6364136223846793005 + i
		}
	}
}

func main() {
	ctx := context.Background()
	fmt.Println("ready")
	for {
		pprof.Do(ctx, pprof.Labels("tenant", "acme", "route", "/cart"), func(context.Context) {
			burn(60 * time.Millisecond)
		})
		pprof.Do(ctx, pprof.Labels("tenant", "bl\x1bau", "process", "mine"), func(context.Context) {
			burn(30 * time.Millisecond)
		})
		burn(10 * time.Millisecond)
	}
}
