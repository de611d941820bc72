package cli

import (
	"context"

	"p2pchat/node/localapi"
)

// dial attaches to the node that runs on dir. The error's code is no-node if
// none does.
func dial(ctx context.Context, dir string) (client, error) {
	c, err := localapi.Dial(ctx, dir)
	if err != nil {
		return nil, err
	}
	return c, nil
}
