//go:build nocuts

package room

func init() { uncut = true }
