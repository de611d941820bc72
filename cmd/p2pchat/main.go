// Command p2pchat is peer-to-peer chat for a wired LAN, with no server.
//
// This package only wires: the faces (internal/cli, internal/tui) know the
// service in node/api, and this is where it gets its node, its socket, its
// demonstration.
package main

import (
	"context"
	"os"

	"p2pchat/cmd/p2pchat/internal/cli"
	"p2pchat/cmd/p2pchat/internal/tui"
	"p2pchat/node"
	"p2pchat/node/api"
)

// version is set when a release is built: -ldflags "-X main.version=1.2.3".
var version = "0.1.0-dev"

func main() { os.Exit(run()) }

func run() int {
	deps := cli.Deps{
		Version: version,
		Backend: backend{},
		TUI: func(ctx context.Context, svc api.Service, o cli.TUIOptions) error {
			return tui.Run(ctx, svc, tui.Options{Version: o.Version, Notices: o.Notices, Capture: o.Capture})
		},
		Demo: runDemo,
		FirstRun: func(ctx context.Context, create cli.CreateFunc) (bool, error) {
			return tui.FirstRun(ctx, nil, nil, node.CheckName, create)
		},
	}
	return cli.Main(context.Background(), deps, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
}
