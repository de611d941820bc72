//go:build !(linux || darwin || dragonfly || freebsd || netbsd || openbsd || (windows && amd64))

package captures

import (
	"context"
	"fmt"
	"runtime"
)

// unsupported is a system that this package has no way to capture on.
type unsupported struct{}

func newSystem(string) system { return unsupported{} }

func (unsupported) devices() ([]device, error) { return listDevices() }

func (unsupported) open(device, portSet) (tap, error) {
	return nil, fmt.Errorf("%w (%s/%s): capture on the other machine if that is of another kind, or use Wireshark's own capture",
		ErrUnsupported, runtime.GOOS, runtime.GOARCH)
}

func (unsupported) watch(ctx context.Context, _ func()) { <-ctx.Done() }
func (unsupported) name() string                        { return runtime.GOOS }
