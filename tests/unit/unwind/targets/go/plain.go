//go:build !cgo

package main

func withC() int {
	return 0
}
