package sim

import (
	"context"
	"errors"
	"os"

	"p2pchat/node/nodetest/campaign"
)

// kill ends the node as kill -9 does: others hear nothing more from it, and its
// data is left as it was at this moment.
func (n *Node) kill(ctx context.Context) error {
	n.net.Lan.silence(n, true)
	defer n.net.Lan.silence(n, false)
	dir, err := n.copyData(ctx)
	if err != nil {
		return err
	}
	return errors.Join(n.Stop(), n.putBack(dir))
}

// copyData copies the node's data as it is, while it runs or not, to the
// directory returned.
func (n *Node) copyData(ctx context.Context) (string, error) {
	dir, err := os.MkdirTemp(n.net.dir, n.Name+"-copy-")
	if err != nil {
		return "", err
	}
	return dir, campaign.Copy(ctx, n.dir, dir)
}

// putBack has a copy take the place of the data of the node, which must not run.
func (n *Node) putBack(dir string) error {
	if err := os.RemoveAll(n.dir); err != nil {
		return err
	}
	return os.Rename(dir, n.dir)
}
