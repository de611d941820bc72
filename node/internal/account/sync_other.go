//go:build !unix

package account

// syncDir does nothing where directories cannot be synced.
func syncDir(string) error { return nil }
