//go:build darwin || freebsd

package account

import "golang.org/x/sys/unix"

// OnNetworkFilesystem tells whether dir is, or would be made, on one.
func OnNetworkFilesystem(dir string) bool {
	var st unix.Statfs_t
	if unix.Statfs(nearest(dir), &st) != nil {
		return false // the error shows when the directory is used
	}
	return uint64(st.Flags)&uint64(unix.MNT_LOCAL) == 0
}
