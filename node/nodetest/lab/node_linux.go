package lab

import (
	"context"
	"encoding/json"
	"os"
	"syscall"
	"time"
)

// Account is what `init --json` prints.
type Account struct {
	PeerID      string `json:"peer_id"`
	Name        string `json:"name"`
	Fingerprint string `json:"fingerprint"`
}

// Init makes the host's account, without a password.
func (h *Host) Init(name string) Account {
	h.l.t.Helper()
	ctx, cancel := h.l.patience()
	defer cancel()
	r := h.Run(ctx, "init", "--name", name, "--no-password", "--json")
	if r.Code != 0 {
		h.l.t.Fatalf("init: %s", r)
	}
	var a Account
	h.l.check(r.Decode(&a), "init")
	return a
}

// Node is a running `p2pchat serve` of a host's account.
type Node struct {
	// PeerID, Name and Addrs as the latest `ready` line told them.
	PeerID string   `json:"peer_id"`
	Name   string   `json:"name"`
	Addrs  []string `json:"addrs"`
	// Event is "ready".
	Event string `json:"event"`
	// Proc is the process that runs now or ran last, Started when it began.
	Proc    *Proc     `json:"-"`
	Started time.Time `json:"-"`

	h    *Host
	args []string
}

// Serve starts `p2pchat serve` with these arguments and waits until it is
// ready.
func (h *Host) Serve(args ...string) *Node {
	h.l.t.Helper()
	n := h.Launch(args...)
	n.Ready()
	return n
}

// Launch is Serve without the wait, so that several start at once.
func (h *Host) Launch(args ...string) *Node {
	h.l.t.Helper()
	n := &Node{h: h, args: append([]string{"serve"}, args...)}
	if level := os.Getenv("P2PCHAT_LAB_LOG"); level != "" {
		n.args = append(n.args, "--log-level", level)
	}
	n.launch()
	return n
}

// Start starts the node again, with the arguments of Serve and the data
// directory as it was left, and waits until it is ready.
func (n *Node) Start() {
	n.h.l.t.Helper()
	if n.Proc.Running() {
		n.h.l.t.Fatalf("lab: %s runs already", n.Proc)
	}
	n.launch()
	n.Ready()
}

func (n *Node) launch() {
	n.h.l.t.Helper()
	n.Started = time.Now()
	n.Proc = n.h.StartService(n.h.Command(n.h.Binary(), n.args...))
}

// Ready waits for the `ready` line, standard output's first and only, and
// fills in what it tells.
func (n *Node) Ready() {
	n.h.l.t.Helper()
	ctx, cancel := n.h.l.patience()
	defer cancel()
	line, err := n.Proc.Stdout.Await(ctx, func(string) bool { return true })
	n.h.l.check(err, n.Proc.String()+": wait for its ready line")
	n.Addrs = nil
	n.h.l.check(json.Unmarshal([]byte(line), n), "ready line "+line)
	if n.Event != "ready" || n.PeerID == "" || n.Name == "" {
		n.h.l.t.Fatalf("lab: not a ready line: %s", line)
	}
}

// Stop ends the node with SIGTERM. It must exit with 0.
func (n *Node) Stop() {
	n.h.l.t.Helper()
	ctx, cancel := n.h.l.patience()
	defer cancel()
	if r := n.Proc.Interrupt(ctx, syscall.SIGTERM); r.Code != 0 {
		n.h.l.t.Errorf("lab: after SIGTERM: %s", r)
	}
}

// Kill9 kills the node without a chance to say goodbye.
func (n *Node) Kill9() { n.Proc.Kill9() }

// Follow starts `tail TARGET --json` on the host; its Stdout receives the
// messages as they come.
func (h *Host) Follow(target string, args ...string) *Proc {
	h.l.t.Helper()
	return h.StartService(h.Command(h.Binary(), append([]string{"tail", target, "--json"}, args...)...))
}

// patience is a context that ends when nothing that works can take that long.
func (l *Lab) patience() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), Patience())
}
