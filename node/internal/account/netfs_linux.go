package account

import (
	"slices"

	"golang.org/x/sys/unix"
)

// networkTypes are the statfs(2) types of file systems on which neither locks
// nor SQLite's write-ahead log can be relied on.
var networkTypes = []int64{
	unix.NFS_SUPER_MAGIC, unix.SMB_SUPER_MAGIC, unix.SMB2_SUPER_MAGIC, unix.CIFS_SUPER_MAGIC,
	unix.AFS_SUPER_MAGIC, unix.AFS_FS_MAGIC, unix.CEPH_SUPER_MAGIC, unix.CODA_SUPER_MAGIC,
	unix.NCP_SUPER_MAGIC, unix.V9FS_MAGIC, unix.OCFS2_SUPER_MAGIC,
}

// OnNetworkFilesystem tells whether dir is, or would be made, on one.
func OnNetworkFilesystem(dir string) bool {
	var st unix.Statfs_t
	if unix.Statfs(nearest(dir), &st) != nil {
		return false // the error shows when the directory is used
	}
	return slices.Contains(networkTypes, int64(uint32(st.Type)))
}
