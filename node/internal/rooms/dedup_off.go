//go:build nodedup

package rooms

func init() { again = true }
