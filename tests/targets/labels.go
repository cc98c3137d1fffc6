// Two goroutines' worth of work under labels: 60 of 100 parts in one set, 30 in another, 10 in none.
package main

import (
	"context"
	"fmt"
	"runtime/pprof"
	"time"
)

var sink uint64

//go:noinline
func burn(d time.Duration) {
	for end := time.Now().Add(d); time.Now().Before(end); {
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
