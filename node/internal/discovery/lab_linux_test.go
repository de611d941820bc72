package discovery_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/protocol/ping"
	ma "github.com/multiformats/go-multiaddr"

	"p2pchat/node/internal/discovery"
	"p2pchat/node/internal/p2phost"
	"p2pchat/node/nodetest/lab"
)

func TestMain(m *testing.M) {
	lab.Main(m, lab.Program("node", node))
}

// keyOf is the key of the node with a number, the same in every process.
func keyOf(number int) crypto.PrivKey {
	seed := make([]byte, 32)
	copy(seed, fmt.Sprintf("node %d of the discovery tests", number))
	key, _, err := crypto.GenerateEd25519Key(strings.NewReader(string(seed)))
	if err != nil {
		panic(err)
	}
	return key
}

func idOf(number int) peer.ID {
	id, err := peer.IDFromPrivateKey(keyOf(number))
	if err != nil {
		panic(err)
	}
	return id
}

// node is the program the labs run: a host, discovery and, in place of the
// node's heartbeat, a ping every eight seconds that closes the connection
// after four without an answer. Arguments: its number, the transports
// (quic, tcp or both), mdns or static with or without ",nobeat", and static peers. It prints a line for every event; on
// SIGUSR1 it tries the numbers on its standard input, see probe.
func node(args []string) int {
	number, _ := strconv.Atoi(args[0])
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
	cfg := p2phost.Config{Key: keyOf(number), Version: "lab", Log: log}
	switch args[1] {
	case "quic":
		cfg.Listen = []ma.Multiaddr{ma.StringCast("/ip4/0.0.0.0/udp/47700/quic-v1"), ma.StringCast("/ip6/::/udp/47700/quic-v1")}
	case "tcp":
		cfg.Listen = []ma.Multiaddr{ma.StringCast("/ip4/0.0.0.0/tcp/47700"), ma.StringCast("/ip6/::/tcp/47700")}
	}
	h, err := p2phost.New(cfg)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer h.Close()
	d, err := discovery.New(discovery.Config{
		Host: h, MDNS: !strings.HasPrefix(args[2], "static"), Log: log,
		Book:           &fileBook{name: filepath.Join(os.Getenv("HOME"), "book.json")},
		OnAddrsChanged: func() { _ = h.Refresh() },
		OnEvent: func(e discovery.Event) {
			fmt.Println("event", e.Kind, e.Peer, e.Via, e.Err)
		},
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	for _, a := range args[3:] {
		if err := d.AddPeer(ma.StringCast(a)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if !strings.HasSuffix(args[2], "nobeat") {
		go heartbeat(ctx, h)
	}
	go func() {
		lines := bufio.NewScanner(os.Stdin)
		for lines.Scan() {
			command, rest, _ := strings.Cut(lines.Text(), " ")
			switch command {
			case "probe":
				go probe(ctx, h, strings.Fields(rest))
			case "conns":
				conns := h.Conns()
				fmt.Println("conns", len(conns), len(h.Network().Peers()))
			case "diagnose":
				go func() {
					b, _ := json.Marshal(d.Diagnose(ctx))
					fmt.Println("diagnosis", string(b))
				}()
			}
		}
	}()
	fmt.Println("ready", h.ID(), h.Addrs())
	if err := d.Run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// probe tries peers until every one of them has answered over an existing
// connection, then prints the given tag.
func probe(ctx context.Context, h *p2phost.Host, args []string) {
	var wg sync.WaitGroup
	for _, n := range args[1:] {
		number, _ := strconv.Atoi(n)
		wg.Go(func() {
			for ctx.Err() == nil {
				if err := answer(ctx, h, idOf(number), 200*time.Millisecond); err == nil {
					return
				}
				time.Sleep(20 * time.Millisecond)
			}
		})
	}
	wg.Wait()
	fmt.Println("probed", args[0])
}

func answer(ctx context.Context, h *p2phost.Host, id peer.ID, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(network.WithNoDial(ctx, "probe"), limit)
	defer cancel()
	s, err := h.NewStream(ctx, id, ping.ID)
	if err != nil {
		return err
	}
	defer s.Reset()
	deadline, _ := ctx.Deadline()
	_ = s.SetDeadline(deadline)
	buf := make([]byte, ping.PingSize)
	if _, err := s.Write(buf); err != nil {
		return err
	}
	_, err = io.ReadFull(s, buf)
	return err
}

func heartbeat(ctx context.Context, h *p2phost.Host) {
	h.Network().Notify(&network.NotifyBundle{ConnectedF: func(_ network.Network, c network.Conn) {
		go func() {
			for {
				select {
				case <-ctx.Done():
					return
				case <-time.After(8 * time.Second):
				}
				if c.IsClosed() {
					return
				}
				if err := answer(ctx, h, c.RemotePeer(), 4*time.Second); err != nil {
					fmt.Println("heartbeat", c.RemotePeer(), err)
					c.Close()
					return
				}
			}
		}()
	}})
}

// fileBook is an address book in a file.
type fileBook struct {
	name string
	m    map[string]entry
}

type entry struct {
	Addrs  []string
	Via    discovery.Via
	Static bool
	Seen   time.Time
}

func (b *fileBook) Load() ([]discovery.Remembered, error) {
	b.m = map[string]entry{}
	data, err := os.ReadFile(b.name)
	if err != nil {
		return nil, nil
	}
	if err := json.Unmarshal(data, &b.m); err != nil {
		return nil, err
	}
	var out []discovery.Remembered
	for id, e := range b.m {
		p, err := peer.Decode(id)
		if err != nil {
			return nil, err
		}
		r := discovery.Remembered{Peer: p, Via: e.Via, Static: e.Static, LastSeen: e.Seen}
		for _, a := range e.Addrs {
			r.Addrs = append(r.Addrs, ma.StringCast(a))
		}
		out = append(out, r)
	}
	return out, nil
}

func (b *fileBook) Save(r discovery.Remembered) error {
	e := entry{Via: r.Via, Static: r.Static, Seen: r.LastSeen}
	for _, a := range r.Addrs {
		e.Addrs = append(e.Addrs, a.String())
	}
	b.m[r.Peer.String()] = e
	return b.write()
}

func (b *fileBook) Remove(id peer.ID) error {
	delete(b.m, id.String())
	return b.write()
}

func (b *fileBook) write() error {
	data, err := json.Marshal(b.m)
	if err != nil {
		return err
	}
	if err := os.WriteFile(b.name+".new", data, 0o600); err != nil {
		return err
	}
	return os.Rename(b.name+".new", b.name)
}

// running is a node in a lab.
type running struct {
	*lab.Proc
	host      *lab.Host
	number    int
	transport string
	in        io.Writer
}

func start(t *testing.T, h *lab.Host, number int, transport string, args ...string) *running {
	t.Helper()
	if len(args) == 0 {
		args = []string{"mdns"}
	}
	cmd := h.Program("node", append([]string{strconv.Itoa(number), transport}, args...)...)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdin = r
	n := &running{h.StartService(cmd), h, number, transport, w}
	r.Close()
	t.Cleanup(func() { w.Close() })
	return n
}

// probed asks every node to try every other one, and returns when all have
// answered, with the time it took since the given moment.
func probed(t *testing.T, l *lab.Lab, what string, bound time.Duration, since time.Time, nodes ...*running) time.Duration {
	t.Helper()
	tag := fmt.Sprintf("%s-%d", strings.ReplaceAll(what, " ", "-"), since.UnixNano())
	var all []string
	for _, n := range nodes {
		all = append(all, strconv.Itoa(n.number))
	}
	for i, n := range nodes {
		others := slices.Concat(all[:i], all[i+1:])
		fmt.Fprintln(n.in, "probe", tag, strings.Join(others, " "))
	}
	return l.Within(bound, since, what, func(context.Context) error {
		for _, n := range nodes {
			if !slices.Contains(n.Stdout.Lines(), "probed "+tag) {
				return fmt.Errorf("node %d does not reach all", n.number)
			}
		}
		return nil
	})
}

// one checks that there is exactly one connection per pair.
func one(t *testing.T, l *lab.Lab, nodes ...*running) {
	t.Helper()
	want := fmt.Sprintf("conns %d %d", len(nodes)-1, len(nodes)-1)
	l.Within(10*time.Second, time.Now(), "one connection per pair", func(context.Context) error {
		for _, n := range nodes {
			before := len(n.Stdout.Lines())
			fmt.Fprintln(n.in, "conns")
			ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
			defer cancel()
			line := ""
			for ctx.Err() == nil && line == "" {
				for _, s := range n.Stdout.Lines()[before:] {
					if strings.HasPrefix(s, "conns ") {
						line = s
					}
				}
				time.Sleep(5 * time.Millisecond)
			}
			if line != want {
				return fmt.Errorf("node %d: %s, want %s", n.number, line, want)
			}
		}
		return nil
	})
}
