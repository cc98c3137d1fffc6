//go:build cgo && withc

package main

// int in_c(int n) { return n + 1; }
import "C"

var fromC = C.in_c(1)
