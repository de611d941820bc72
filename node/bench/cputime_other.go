//go:build !unix

package main

import "time"

func ownCPU() (time.Duration, error) { return 0, skipped{"CPU time needs a Unix"} }
