package captures

import (
	"errors"
	"os"
	"strings"
	"syscall"
	"testing"
)

func TestPermissionError(t *testing.T) {
	t.Parallel()
	self, err := os.Executable()
	must(t, err)
	for binary, want := range map[string]string{
		"/usr/bin/p2pchat":         "`sudo setcap cap_net_raw+ep /usr/bin/p2pchat`",
		"/home/al ice/o'b/p2pchat": `'/home/al ice/o'\''b/p2pchat'`,
		"/tmp/go-build1/exe/x":     "`go build` one first",
		"":                         "sudo setcap cap_net_raw+ep " + shellWord(self),
	} {
		err := newPermissionError(binary, syscall.EPERM)
		if !errors.Is(err, ErrPermission) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", binary, err)
		}
	}
}
