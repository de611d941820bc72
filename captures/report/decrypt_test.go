package report

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"p2pchat/captures/internal/capturetest"
)

// The demonstration's capture carries its keys: what was said is read.
func TestDecrypt(t *testing.T) {
	t.Parallel()
	_, err := exec.LookPath("tshark")
	capturetest.Need(t, err == nil, "tshark")
	r := readFile(t, "../samples/demo.pcapng")
	r.Decrypt(t.Context(), "../samples/demo.pcapng", "", "../wireshark/p2pchat.lua")
	if r.Decrypted == nil {
		t.Fatal(r.Notes)
	}
	var said []string
	for _, l := range r.Decrypted.Lines {
		if !l.Repeat {
			said = append(said, l.From+">"+l.To+l.Room+": "+l.Text)
		}
		if c := r.Conversations[l.Conversation-1]; l.Time.Before(c.Begin.Time) || l.Time.After(c.End.Time) {
			t.Errorf("%+v is not of the time of conversation %d", l, l.Conversation)
		}
	}
	want := []string{
		"client>server: Hi! server, need help", "server>client: Hi client! glad to help",
		"server>help desk: Welcome to the room", "client>help desk: Good to be here",
	}
	if !slices.Equal(said, append(want, want...)) {
		t.Errorf("%q", said)
	}
	if !slices.ContainsFunc(r.Decrypted.Protocols, func(p Protocol) bool {
		return p.Protocol == "/p2pchat/direct/1.0.0" && p.Streams == 2 && slices.Equal(p.Conversations, []int{1, 2})
	}) {
		t.Errorf("%+v", r.Decrypted.Protocols)
	}
	chat := 0
	for i, e := range r.Events {
		if e.Kind == KindChat {
			chat++
		}
		if i > 0 && e.Time.Before(r.Events[i-1].Time.Time) {
			t.Errorf("event %d is older than that before it", i)
		}
	}
	if chat != 8 {
		t.Errorf("%d lines among the events", chat)
	}
}

func readFile(t *testing.T, name string) *Report {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r, err := Read(f, name)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// fake puts a tshark of ours first in the path: a script.
func fake(t *testing.T, script string) {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("a script for a POSIX shell")
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "tshark"), []byte("#!/bin/sh\n"+script), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+string(os.PathListSeparator)+os.Getenv("PATH"))
}

func decryptFake(ctx context.Context, t *testing.T, keys bool) *Report {
	t.Helper()
	x := newTrace(t)
	if keys {
		x.secrets("CLIENT_RANDOM 00 00\n")
	}
	opening(x)
	r := x.read()
	r.Decrypt(ctx, filepath.Join(t.TempDir(), "x.pcapng"), "", "plugin.lua")
	return r
}

// Why nothing was decrypted is said in one sentence, and the rest is there.
func TestDecryptWithout(t *testing.T) {
	for _, x := range []struct {
		script string
		keys   bool
		note   string
		some   bool
	}{
		{"echo '[]'", false, "carries no keys", false},
		{"echo 'tshark: Lua: no such thing.' >&2; exit 2", true, "tshark: Lua: no such thing.", true},
		{`echo '[{"_source":{"layers":{"p2pchat.text":["a","b"],"p2pchat.from":["x"]}}},'; exit 1`, true, "tshark could not show", true},
		{"echo 'not JSON'", true, "tshark could not show", true},
		{"exit 0", true, "", true},
	} {
		fake(t, x.script)
		r := decryptFake(t.Context(), t, x.keys)
		if x.note != "" && !slices.ContainsFunc(r.Notes, func(n string) bool { return strings.Contains(n, x.note) }) {
			t.Errorf("%s: notes %q", x.script, r.Notes)
		}
		if len(r.Conversations) != 1 || (r.Decrypted != nil) != x.some {
			t.Errorf("%s: %+v", x.script, r)
		}
	}
	t.Setenv("PATH", t.TempDir())
	if r := decryptFake(t.Context(), t, true); !slices.ContainsFunc(r.Notes, func(n string) bool { return strings.Contains(n, "not installed") }) && runtime.GOOS == "linux" {
		t.Errorf("without tshark: %q", r.Notes)
	}
}

// What was read before tshark failed is kept; of values that cannot be told
// apart none is taken.
func TestDecryptPart(t *testing.T) {
	fake(t, `echo '[{"_source":{"layers":{"frame.number":["7"],"frame.time_epoch":["1767323045.000500000"],"ip.src":["192.0.2.1"],"ip.dst":["192.0.2.2"],"tcp.srcport":["50000"],"tcp.dstport":["47700"],"p2pchat.text":["a","b"],"p2pchat.from":["x"],"p2pchat.repeat.text":["c"],"p2pchat.repeat.from":["y"]}}},'; exit 1`)
	r := decryptFake(t.Context(), t, true)
	if r.Decrypted == nil || len(r.Decrypted.Lines) != 3 {
		t.Fatalf("%+v", r.Decrypted)
	}
	if a, c := r.Decrypted.Lines[0], r.Decrypted.Lines[2]; a.From != "" || a.Text != "a" || a.Conversation != 1 || a.Frame != 7 || !c.Repeat || c.From != "y" {
		t.Errorf("%+v, %+v", a, c)
	}
}

func TestDecryptIsInterrupted(t *testing.T) {
	fake(t, "exec sleep 600")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	decryptFake(ctx, t, true) // returns
}

// The keys of a .pcap stand in a file beside it.
func TestDecryptWithKeyLog(t *testing.T) {
	fake(t, `case "$*" in *"-o tls.keylog_file:/keys of mine"*) echo '[{"_source":{"layers":{"p2pchat.text":["hi"]}}}]';; *) echo '[]';; esac`)
	x := newTrace(t)
	opening(x)
	r := x.read()
	r.Decrypt(t.Context(), "x.pcap", "/keys of mine", "plugin.lua")
	if r.Decrypted == nil || len(r.Decrypted.Lines) != 1 || r.Decrypted.Lines[0].Text != "hi" {
		t.Errorf("%+v, %q", r.Decrypted, r.Notes)
	}
}
