// Three threads that are busy with labels: two, none, and more than Glim keeps. Each says its id
// first.
package main

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"runtime/pprof"
	"strings"
	"syscall"
)

func busy(name string) {
	all := ""
	for i := 0; ; i++ {
		all += "x"
		if i == 0 {
			fmt.Printf("%s %d\n", name, syscall.Gettid())
		}
		if len(all) > 1000 {
			all = ""
		}
	}
}

func main() {
	go func() {
		runtime.LockOSThread()
		pprof.Do(context.Background(), pprof.Labels("tenant", "blue"), func(c context.Context) {
			long := strings.Repeat("é", 100)
			pprof.Do(c, pprof.Labels("path", "/a b", "long", long), func(context.Context) {
				busy("few")
			})
		})
	}()
	go func() {
		runtime.LockOSThread()
		busy("none")
	}()
	go func() {
		runtime.LockOSThread()
		pairs := make([]string, 0)
		for i := 0; i < 40; i++ {
			pairs = append(pairs, fmt.Sprint("key", i), fmt.Sprint("value", i))
		}
		pprof.Do(context.Background(), pprof.Labels(pairs...), func(context.Context) {
			busy("many")
		})
	}()
	os.Stdin.Read(make([]byte, 1))
}
