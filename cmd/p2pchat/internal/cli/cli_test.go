package cli

import (
	"bytes"
	"context"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"p2pchat/node/api"
)

var deps = Deps{Demo: func(context.Context, DemoOptions) (DemoResult, error) { return DemoResult{}, nil }}

func run(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = Main(context.Background(), deps, args, strings.NewReader(""), &out, &errs)
	return code, out.String(), errs.String()
}

// Every command explains itself with an example that quotes.
func TestEveryCommandHasAnExample(t *testing.T) {
	t.Parallel()
	var visit func(cmd *cobra.Command)
	visit = func(cmd *cobra.Command) {
		if cmd.Short == "" || !strings.Contains(cmd.Example, "p2pchat") || !strings.Contains(cmd.Example, "'") {
			t.Errorf("%s: short %q, example %q", cmd.CommandPath(), cmd.Short, cmd.Example)
		}
		path := strings.Fields(cmd.CommandPath())[1:]
		code, out, _ := run(t, append(path, "--help")...)
		if code != 0 || !strings.Contains(out, strings.TrimSpace(cmd.Example)) || !strings.Contains(out, "--json") {
			t.Errorf("%v --help: exit %d, %s", path, code, out)
		}
		for _, sub := range cmd.Commands() {
			visit(sub)
		}
	}
	a := &app{out: &output{}, deps: deps}
	visit(a.rootCmd())
}

func TestErrorsReachNoTerminalRaw(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{
		{"a\x1b[31mb"},
		{"peers", "a\x1b[31mb"},
		{"--a\x1b[31mb"},
		{"log", "x", "--since", "\x1b\n\u202e"},
		{"whoami", "--log-level", "\x9b1m"},
		{"completion", "\u2028\x07"},
	} {
		code, out, errs := run(t, args...)
		if code != 2 || out != "" || strings.Count(errs, "\n") != 1 ||
			strings.ContainsFunc(strings.TrimSuffix(errs, "\n"), func(r rune) bool { return r < ' ' || r >= 0x7f && r < 0xa0 || r == 0x2028 || r == 0x202e }) {
			t.Errorf("%q: exit %d, %q, %q", args, code, out, errs)
		}
	}
}

func TestWantsJSON(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]bool{
		"": false, "peers": false, "--json": true, "peers --json": true, "--json=false": false, "--json=true": true,
		"--json --json=0": false, "send x -- --json": false, "--json=what": true, "--jsonx": false,
	} {
		if got := wantsJSON(strings.Fields(args)); got != want {
			t.Errorf("%q: %v", args, got)
		}
	}
}

func TestParseAddr(t *testing.T) {
	t.Parallel()
	for addr, want := range map[string]place{
		"/ip4/10.0.0.1/udp/47700/quic-v1/p2p/12D3": {"10.0.0.1", "47700", "quic-v1"},
		"/ip4/10.0.0.1/tcp/1":                      {"10.0.0.1", "1", "tcp"},
		"/ip6/fd00::1/tcp/1/p2p/12D3":              {"fd00::1", "1", "tcp"},
		"/ip6zone/eth0/ip6/fe80::1/udp/5/quic-v1":  {"fe80::1", "5", "quic-v1"},
		"/dns4/host/tcp/1":                         {"host", "1", "tcp"},
		"":                                         {"-", "-", "-"},
		"/ip4":                                     {"", "-", "-"},
		"nonsense":                                 {"-", "-", "-"},
	} {
		if got := parseAddr(addr); got != want {
			t.Errorf("%s: %+v", addr, got)
		}
	}
}

func TestBestAddr(t *testing.T) {
	t.Parallel()
	tcp := "tcp"
	p := api.Peer{Addrs: []string{"/ip4/10.0.0.1/udp/1/quic-v1", "/ip4/10.0.0.2/tcp/2"}}
	if got := bestAddr(p); got.ip != "10.0.0.1" {
		t.Errorf("absent: %+v", got)
	}
	p.Transport = &tcp
	if got := bestAddr(p); got.ip != "10.0.0.2" {
		t.Errorf("over TCP: %+v", got)
	}
}

func TestAgo(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 31, 12, 0, 0, 0, time.Local)
	for d, want := range map[time.Duration]string{
		-time.Minute: "now", time.Second: "now", 42 * time.Second: "42 s ago", 90 * time.Second: "1 min ago",
		3*time.Hour + time.Minute: "3 h ago", 48 * time.Hour: "2026-01-29 12:00",
	} {
		if got := ago(now.Add(-d), now); got != want {
			t.Errorf("%v: %q", d, got)
		}
	}
	if got := ago(time.Time{}, now); got != "never" {
		t.Errorf("zero: %q", got)
	}
}

func TestParseSince(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)
	for in, want := range map[string]time.Time{
		"90m":                       now.Add(-90 * time.Minute),
		"2026-01-30T01:02:03Z":      time.Date(2026, 1, 30, 1, 2, 3, 0, time.UTC),
		"2026-01-30T01:02:03.456Z":  time.Date(2026, 1, 30, 1, 2, 3, 456e6, time.UTC),
		"2026-01-30T01:02:03+01:00": time.Date(2026, 1, 30, 0, 2, 3, 0, time.UTC),
		"2026-01-30":                time.Date(2026, 1, 30, 0, 0, 0, 0, time.Local),
		"2026-01-30 13:14":          time.Date(2026, 1, 30, 13, 14, 0, 0, time.Local),
	} {
		if got, err := parseSince(in, now); err != nil || !got.Equal(want) {
			t.Errorf("%q: %v, %v", in, got, err)
		}
	}
	for _, in := range []string{"", "-1h", "noon", "30.01.2026", "5"} {
		if _, err := parseSince(in, now); !api.IsCode(err, api.CodeUsage) {
			t.Errorf("%q: %v", in, err)
		}
	}
}

func TestFindPeer(t *testing.T) {
	t.Parallel()
	peers := []api.Peer{{Name: "Bob", PeerID: "1"}, {Name: "twin", PeerID: "2"}, {Name: "Twin", PeerID: "3"}}
	for who, want := range map[string]string{"bob": "1", "@Bob": "1", "user:bob": "1", "3": "3"} {
		if p, err := findPeer(who, peers); err != nil || p.PeerID != want {
			t.Errorf("%s: %v, %v", who, p.PeerID, err)
		}
	}
	if _, err := findPeer("twin", peers); !api.IsCode(err, api.CodeAmbiguous) || len(api.AsError(err).Candidates) != 2 {
		t.Errorf("twin: %v", err)
	}
	if _, err := findPeer("eve", peers); !api.IsCode(err, api.CodeNotFound) {
		t.Errorf("eve: %v", err)
	}
}

func TestAddrsOf(t *testing.T) {
	t.Parallel()
	peers := []api.Peer{{Name: "bob", PeerID: "1", Addrs: []string{"/ip4/10.0.0.2/tcp/1", "/dns4/x/tcp/1"}}, {Name: "eve", PeerID: "2"}}
	own := api.CaptureTarget{Connections: []api.Flow{{Network: "tcp", Local: "10.0.0.1:1", Remote: "[fd00::2]:9", PeerID: "1"}}}
	got, err := addrsOf("bob", peers, own)
	if err != nil || len(got) != 2 || got[0] != netip.MustParseAddr("10.0.0.2") || got[1] != netip.MustParseAddr("fd00::2") {
		t.Errorf("bob: %v, %v", got, err)
	}
	if _, err := addrsOf("eve", peers, own); !api.IsCode(err, api.CodeNotFound) {
		t.Errorf("eve, of whom no address is known: %v", err)
	}
}

func TestSize(t *testing.T) {
	t.Parallel()
	for n, want := range map[uint64]string{0: "0 B", 999: "999 B", 1000: "1.0 kB", 3456: "3.5 kB", 12e6: "12.0 MB", 5e12: "5.0 TB", 5e15: "5000.0 TB"} {
		if got := size(n); got != want {
			t.Errorf("%d: %s", n, got)
		}
	}
}

func TestPlainName(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]bool{"bob": true, "jürgen": true, "a.b-c_d": true, "": false, "-x": false, "a b": false, "$(x)": false, "a\u202eb": false} {
		if got := plainName(name); got != want {
			t.Errorf("%q: %v", name, got)
		}
	}
}

// A message cannot be told from several if its further lines look like others.
func TestTranscriptIndents(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	a := &app{out: &output{w: &out}}
	tr := &transcript{app: a, zone: time.UTC}
	at := api.Time{Time: time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)}
	if err := tr.print(api.Message{Name: "eve\n12:00:01 bob", Time: at, Kind: api.MessageText, Text: "hi\r\n12:00:01 bob: I owe eve\u2028--- Sunday ---", State: api.Received}); err != nil {
		t.Fatal(err)
	}
	want := "--- Saturday 31 January 2026 ---\n12:00:00 eve␊12:00:01 bob: hi\n         | 12:00:01 bob: I owe eve\n         | --- Sunday ---\n"
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", out.String(), want)
	}
}

func TestUntilDone(t *testing.T) {
	t.Parallel()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	ctx, cancel := context.WithCancel(t.Context())
	u := newUntilDone(ctx, r)
	if _, err := w.WriteString("abc"); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 2)
	for _, want := range []string{"ab", "c"} {
		if n, err := u.Read(b); err != nil || string(b[:n]) != want {
			t.Fatalf("read %q, %v", b[:n], err)
		}
	}
	cancel()
	if _, err := u.Read(b); err == nil {
		t.Error("read after the end")
	}
}

// People and rooms are written as everywhere.
func TestStorageNames(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	a := &app{out: &output{w: &out}}
	s := api.Storage{Conversations: []api.StoredConversation{
		{ID: "0123456789abcdef", Kind: api.KindDirect, Name: "bob"}, {Kind: api.KindRoom, Name: "dev"}, {ID: "0123456789abcdef", Kind: api.KindRoom},
	}}
	if err := a.printStorage(s, nil); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"\n@bob ", "\n#dev ", "\n0123456789ab "} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not in\n%s", want, out.String())
		}
	}
}
