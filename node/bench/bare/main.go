// Command bare is what p2pchat's start and idle node are measured against: a
// go-libp2p host with the same two transports and security protocols and
// nothing on it, in a program of its own.
//
// It prints a JSON line {"event":"ready","addrs":[...]} when it listens and
// {"event":"connected","peer":"ID"} at its first connection, and runs until it
// is killed. With -blast it is no host, but what a capture is measured under.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"sync"
	"time"

	libp2p "github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/discovery/mdns"
	"github.com/libp2p/go-libp2p/p2p/security/noise"
	libp2ptls "github.com/libp2p/go-libp2p/p2p/security/tls"
	quic "github.com/libp2p/go-libp2p/p2p/transport/quic"
	"github.com/libp2p/go-libp2p/p2p/transport/tcp"
)

func main() {
	discover := flag.Bool("mdns", false, "find others with go-libp2p's own mDNS and dial them")
	dial := flag.String("dial", "", "multiaddr with /p2p/ID to dial")
	target := flag.String("blast", "", "instead: send UDP datagrams to this `address`, and print how many")
	rate := flag.Int("rate", 1000, "datagrams a second of a blast")
	length := flag.Duration("for", time.Second, "length of a blast")
	flag.Parse()
	err := error(nil)
	if *target != "" {
		err = blast(*target, *rate, *length)
	} else {
		err = run(*discover, *dial)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bare:", err)
		os.Exit(1)
	}
}

type line struct {
	Event string   `json:"event"`
	Addrs []string `json:"addrs,omitempty"`
	Peer  string   `json:"peer,omitempty"`
}

func run(discover bool, dial string) error {
	h, err := libp2p.New(
		libp2p.Transport(quic.NewTransport), libp2p.Transport(tcp.NewTCPTransport),
		libp2p.Security(libp2ptls.ID, libp2ptls.New), libp2p.Security(noise.ID, noise.New),
		libp2p.ListenAddrStrings(
			"/ip4/0.0.0.0/udp/0/quic-v1", "/ip6/::/udp/0/quic-v1", "/ip4/0.0.0.0/tcp/0", "/ip6/::/tcp/0"),
		libp2p.DisableRelay(), libp2p.DisableMetrics(),
	)
	if err != nil {
		return err
	}
	out := json.NewEncoder(os.Stdout)
	var once sync.Once
	h.Network().Notify(&network.NotifyBundle{ConnectedF: func(_ network.Network, c network.Conn) {
		once.Do(func() { _ = out.Encode(line{Event: "connected", Peer: c.RemotePeer().String()}) })
	}})
	ready := line{Event: "ready"}
	for _, a := range h.Addrs() {
		ready.Addrs = append(ready.Addrs, fmt.Sprintf("%s/p2p/%s", a, h.ID()))
	}
	if dial == "" {
		if err := out.Encode(ready); err != nil {
			return err
		}
	}
	if discover {
		if err := mdns.NewMdnsService(h, "", dialer{h}).Start(); err != nil {
			return err
		}
	}
	if dial != "" {
		info, err := peer.AddrInfoFromString(dial)
		if err != nil {
			return err
		}
		if err := h.Connect(context.Background(), *info); err != nil {
			return err
		}
	}
	select {}
}

// dialer connects to whoever mDNS finds, as go-libp2p's examples do.
type dialer struct{ h host.Host }

func (d dialer) HandlePeerFound(p peer.AddrInfo) {
	if p.ID != d.h.ID() {
		_ = d.h.Connect(context.Background(), p) // the next announcement tries again
	}
}
