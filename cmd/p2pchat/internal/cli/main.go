package cli

import (
	"context"
	"io"
)

// Main runs the command line args (without the program's name) and returns
// the exit code. It handles interrupt and termination signals itself.
func Main(ctx context.Context, deps Deps, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	panic("not yet")
}
