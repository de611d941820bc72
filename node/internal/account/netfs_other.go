//go:build !linux && !darwin && !freebsd && !windows

package account

// OnNetworkFilesystem cannot tell here.
func OnNetworkFilesystem(string) bool { return false }
