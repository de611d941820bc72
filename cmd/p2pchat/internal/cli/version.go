package cli

import (
	"context"
	"runtime"

	"github.com/spf13/cobra"

	"p2pchat/cmd/p2pchat/internal/term"
)

func (a *app) versionCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Example: `  p2pchat version
  p2pchat 'version' --json`,
		Args: none,
		RunE: a.run(func(context.Context, []string) error { return a.printVersion() }),
	}
}

func (a *app) printVersion() error {
	v := struct {
		Version string `json:"version"`
		Go      string `json:"go"`
		OS      string `json:"os"`
		Arch    string `json:"arch"`
	}{a.deps.Version, runtime.Version(), runtime.GOOS, runtime.GOARCH}
	if a.asJSON {
		return a.object(v)
	}
	return a.printf("p2pchat %s (%s, %s/%s)\n", term.Clean(v.Version), v.Go, v.OS, v.Arch)
}
