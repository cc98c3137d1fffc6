// Prints what the Go runtime says of its own code: of places all over it, and of a chain of inlined
// calls. Then it waits, so that the test can ask Glim about the same addresses.
package main

import (
	"bufio"
	"fmt"
	"os"
	"reflect"
	"runtime"
)

var callers []uintptr

func inner(room []uintptr) {
	callers = room[:runtime.Callers(1, room)]
}

func middle(room []uintptr) {
	inner(room)
}

//go:noinline
func host(room []uintptr) {
	middle(room)
}

func printChain(out *bufio.Writer) {
	host(make([]uintptr, 32))
	frames := runtime.CallersFrames(callers)

	for {
		f, more := frames.Next()
		fmt.Fprintf(out, "chain %s %d\n", f.Function, f.Line)
		if !more || f.Function == "main.host" {
			return
		}
	}
}

func printPlaces(out *bufio.Writer) {
	start := reflect.ValueOf(main).Pointer()
	end := start

	for runtime.FuncForPC(start-64) != nil {
		start -= 64
	}
	for runtime.FuncForPC(end+64) != nil {
		end += 64
	}
	for pc := start; pc < end; pc += 61 {
		printPlace(out, pc)
	}
	for i := uintptr(0); i < 256; i++ {
		printPlace(out, reflect.ValueOf(host).Pointer()+i)
	}
}

func printPlace(out *bufio.Writer, pc uintptr) {
	// A return address: the place before it is looked up, unless a function starts there. No name:
	// between two functions, or the first name of all.
	f, _ := runtime.CallersFrames([]uintptr{pc + 1}).Next()
	if f.Line > 0 && f.Function != "" && f.Entry != pc+1 {
		fmt.Fprintf(out, "%x\t%s\t%s\t%d\n", pc, f.Function, f.File, f.Line)
	}
}

func main() {
	out := bufio.NewWriter(os.Stdout)

	printChain(out)
	printPlaces(out)
	fmt.Fprintln(out, "end")
	out.Flush()
	bufio.NewReader(os.Stdin).ReadByte()
}
