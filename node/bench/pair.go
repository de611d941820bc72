package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"time"

	ma "github.com/multiformats/go-multiaddr"

	"p2pchat/node"
	"p2pchat/node/api"
)

// transports of the loopback interface that are measured.
var transports = []struct{ name, listen string }{
	{"QUIC", "/ip4/127.0.0.1/udp/0/quic-v1"},
	{"TCP", "/ip4/127.0.0.1/tcp/0"},
}

// text is the message that is sent: a line of chat.
const text = "Hi! server, need help with the projector in room 4"

// giveUp bounds what should take moments.
const giveUp = time.Minute

// pair is two whole nodes in this process that know each other.
type pair struct {
	ends   []*end
	target string // the second one's peer ID
}

type end struct {
	*node.Node
	lock *node.Lock
}

// newPair makes two accounts below dir and connects their nodes.
func newPair(ctx context.Context, dir, listen string) (p *pair, err error) {
	p = &pair{}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.close())
		}
	}()
	var known []ma.Multiaddr
	for _, name := range []string{"alice", "bob"} {
		n, err := startNode(ctx, filepath.Join(dir, name), name, listen, known)
		if err != nil {
			return p, err
		}
		p.ends = append(p.ends, n)
		st, err := n.Status(ctx)
		if err != nil {
			return p, err
		}
		if len(st.Addrs) == 0 {
			return p, fmt.Errorf("%s has no address", name)
		}
		p.target = st.PeerID
		known = []ma.Multiaddr{ma.StringCast(st.Addrs[0])}
	}
	return p, p.send(ctx, "hello")
}

func startNode(ctx context.Context, dir, name, listen string, peers []ma.Multiaddr, with ...func(*node.Config)) (*end, error) {
	if _, err := node.CreateAccount(ctx, dir, name, nil); err != nil {
		return nil, err
	}
	return openNode(ctx, dir, listen, peers, with...)
}

// openNode starts the node of an account that there is.
func openNode(ctx context.Context, dir, listen string, peers []ma.Multiaddr, with ...func(*node.Config)) (*end, error) {
	lock, key, err := node.Unlock(dir, nil)
	if err != nil {
		return nil, err
	}
	cfg := node.Config{
		Dir: dir, Key: key, Version: "bench", NoMDNS: true, Peers: peers,
		Listen: []ma.Multiaddr{ma.StringCast(listen)}, Logger: slog.New(slog.DiscardHandler),
	}
	for _, set := range with {
		set(&cfg)
	}
	n, err := node.Start(ctx, cfg)
	if err != nil {
		return nil, errors.Join(err, lock.Release())
	}
	return &end{n, lock}, nil
}

// stop stops the node, and returns err or what went wrong.
func (e *end) stop(err error) error { return errors.Join(err, e.Close(), e.lock.Release()) }

// send sends from the first to the second and waits until that one has it on
// disk.
func (p *pair) send(ctx context.Context, text string) error {
	r, err := p.ends[0].Send(ctx, api.SendRequest{Target: p.target, Text: text, Wait: giveUp})
	if err == nil && r.State != api.Delivered && r.State != api.Read {
		err = fmt.Errorf("a message is %s after %v", r.State, giveUp)
	}
	return err
}

func (p *pair) close() error {
	var errs []error
	for _, e := range p.ends {
		errs = append(errs, e.Close(), e.lock.Release())
	}
	return errors.Join(errs...)
}

// rivals are the subject and its yardstick on one transport.
type rivals struct {
	*pair
	*echo
}

// meet starts both, below a directory of their own.
func meet(ctx context.Context, b *bench, name, listen string) (rivals, error) {
	dir, err := b.scratch(name)
	if err != nil {
		return rivals{}, err
	}
	p, err := newPair(ctx, dir, listen)
	if err != nil {
		return rivals{}, err
	}
	e, err := newEcho(ctx, dir, listen)
	if err != nil {
		return rivals{}, errors.Join(err, p.close())
	}
	return rivals{p, e}, e.trip(payload)
}

func (r rivals) close() error {
	r.echo.close()
	return r.pair.close()
}

// payload is about what the event of a message takes: its header, signature
// and body.
var payload = make([]byte, 300)

// settle lets what is written behind be written, so that it is not counted
// against the one who comes next.
func settle() { time.Sleep(300 * time.Millisecond) }
