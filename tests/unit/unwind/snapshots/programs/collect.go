package main
import "runtime"
//go:noinline
func work(n int) int { s := 0; for i := 0; i < n; i++ { runtime.GC(); s += i }; return s }
func main() { runtime.GOMAXPROCS(1); go work(1<<40); println(work(1 << 40)) }
