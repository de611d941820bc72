package account

import (
	"path/filepath"

	"golang.org/x/sys/windows"
)

// OnNetworkFilesystem tells whether dir is, or would be made, on one.
func OnNetworkFilesystem(dir string) bool {
	root, err := windows.UTF16PtrFromString(filepath.VolumeName(dir) + `\`)
	if err != nil {
		return false
	}
	return windows.GetDriveType(root) == windows.DRIVE_REMOTE
}
