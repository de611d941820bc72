//go:build nosync

package antientropy

func init() { off = true }
