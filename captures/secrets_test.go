package captures

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// ngBlock is a block of a pcapng as it stands in the file.
type ngBlock struct {
	kind uint32
	body []byte
}

func blocksOf(t testing.TB, path string) []ngBlock {
	t.Helper()
	raw, err := os.ReadFile(path)
	must(t, err)
	var all []ngBlock
	for len(raw) > 0 {
		n := binary.LittleEndian.Uint32(raw[4:])
		all = append(all, ngBlock{binary.LittleEndian.Uint32(raw), raw[8 : n-4]})
		raw = raw[n:]
	}
	return all
}

// secretsAndPackets lists what a file holds in order: the lines of its key logs, and
// "packet" with its comments for each packet.
func secretsAndPackets(t testing.TB, path string) []string {
	t.Helper()
	var out []string
	for _, b := range blocksOf(t, path) {
		switch b.kind {
		case ngSecrets:
			if kind := binary.LittleEndian.Uint32(b.body); kind != ngTLSKeys {
				t.Errorf("secrets of type %x", kind)
			}
			log := string(b.body[8 : 8+binary.LittleEndian.Uint32(b.body[4:])])
			if !strings.HasSuffix(log, "\n") {
				t.Errorf("a key log without an end: %q", log)
			}
			out = append(out, strings.Split(strings.TrimSuffix(log, "\n"), "\n")...)
		case ngEnhancedPacket:
			out = append(out, strings.Join(append([]string{"packet"}, commentsOf(b.body)...), " "))
		}
	}
	return out
}

// commentsOf gives the lines of a packet's comments.
func commentsOf(body []byte) (lines []string) {
	n := binary.LittleEndian.Uint32(body[12:])
	for rest := body[20+n+(-n&3):]; len(rest) >= 4; {
		code, size := binary.LittleEndian.Uint16(rest), uint32(binary.LittleEndian.Uint16(rest[2:]))
		if code == ngOptComment {
			lines = append(lines, strings.Split(string(rest[4:4+size]), "\n")...)
		}
		rest = rest[4+size+(-size&3):]
	}
	return lines
}

func secretsSink(t *testing.T, name string, ring Ring) *sink {
	s := testSink(pcapng{}, filepath.Join(t.TempDir(), name))
	s.ring = ring
	s.keys.limit, s.comments.limit = int(ring.Size/4), int(ring.Size/4)
	s.addInterface(eth0, linkEthernet)
	must(t, s.start())
	return s
}

func onePacket(i int) frame {
	return udp("192.0.2.1:47700", "192.0.2.2:9", fmt.Sprint(i)).frame(now0.Add(time.Duration(i)), kindSent)
}

func TestSecretsBeforePackets(t *testing.T) {
	t.Parallel()
	s := secretsSink(t, "x.pcapng", Ring{})
	must(t, s.packet(0, onePacket(0)))
	s.keys.add("A 1 2")
	s.keys.add("B 1 2")
	s.comments.add("p2pchat peer=x name=y")
	must(t, s.packet(0, onePacket(1)))
	must(t, s.packet(0, onePacket(2)))
	s.keys.add("C 1 2")
	long := strings.Repeat("l", 40000)
	s.comments.add(long)
	s.comments.add(long) // two options
	must(t, s.packet(0, onePacket(3)))
	s.keys.add("D 1 2") // opens nothing any more
	must(t, s.finish())
	want := []string{"packet", "A 1 2", "B 1 2", "packet p2pchat peer=x name=y", "packet", "C 1 2", "packet " + long + " " + long}
	if got := secretsAndPackets(t, s.path); !slices.Equal(got, want) {
		t.Errorf("%.300q", got)
	}
	secrets := 0
	for _, b := range blocksOf(t, s.path) {
		if b.kind == ngSecrets {
			secrets++
		}
	}
	if secrets != 2 {
		t.Errorf("%d blocks of secrets, want one for what came together", secrets)
	}
	if n := accepted(t, s.path); n != 4 {
		t.Errorf("tcpdump sees %d packets", n)
	}
	if got := fields(t, s.path, "frame.comment")[1][0]; got != "p2pchat peer=x name=y" {
		t.Errorf("tshark sees the comment %q", got)
	}
}

// Each file of a ring begins with what it takes to read it, and keeps its size.
func TestSecretsInRing(t *testing.T) {
	t.Parallel()
	ring := Ring{Size: minRingSize, Files: 100}
	s := secretsSink(t, "x.pcapng", ring)
	last := ""
	for i := range 4000 {
		if i%20 == 0 {
			last = fmt.Sprintf("KEY %d %s", i, strings.Repeat("k", 120))
			s.keys.add(last)
			s.comments.add(fmt.Sprint("comment ", i))
		}
		must(t, s.packet(0, onePacket(i)))
	}
	files := slices.Clone(s.files)
	must(t, s.finish())
	if len(files) < 5 {
		t.Fatalf("%d files", len(files))
	}
	for i, name := range files {
		info, err := os.Stat(name)
		must(t, err)
		if info.Size() > ring.Size || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %d bytes, mode %v", name, info.Size(), info.Mode())
		}
		got := secretsAndPackets(t, name)
		first := slices.IndexFunc(got, func(s string) bool { return strings.HasPrefix(s, "packet") })
		if i > 0 && (first == 0 || !strings.Contains(got[first], "comment 0")) {
			t.Errorf("%s begins with %.100q", name, got[:min(3, len(got))])
		}
		if size := len(strings.Join(got[:first], "\n")); size > int(ring.Size/4)+200 {
			t.Errorf("%s begins with %d bytes of keys", name, size)
		}
		if i == len(files)-1 && !slices.Contains(got, last) {
			t.Errorf("%s lacks the newest key", name)
		}
		accepted(t, name)
	}
}

// fed is what a test tells a capture, and its end.
func fed(secrets <-chan Secret, end error) SecretsFunc {
	return func(ctx context.Context) iter.Seq2[Secret, error] {
		return func(yield func(Secret, error) bool) {
			for {
				select {
				case <-ctx.Done():
					return
				case s, ok := <-secrets:
					switch {
					case !ok && end != nil:
						yield(Secret{}, end)
						return
					case !ok:
						return
					case !yield(s, nil):
						return
					}
				}
			}
		}
	}
}

// Keys that come after their packets, but within the time that these are held,
// stand before them.
func TestSecretsOfPacketsHeld(t *testing.T) {
	t.Parallel()
	for _, ext := range []string{".pcapng", ".pcap"} {
		sys := newFakeSystem(nic("eth0", 2, "192.0.2.1/24"))
		dir := t.TempDir()
		secrets := make(chan Secret)
		notices := make(chan Notice, 10)
		c, err := open(t.Context(), Options{
			Path: filepath.Join(dir, "chat"+ext), Target: Target{UDP: AnyAddr(47700)}, Secrets: fed(secrets, nil),
			Application: "p2pchat test", Notice: func(n Notice) { notices <- n },
		}, sys)
		must(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() {
			_, err := c.Run(ctx)
			ended <- err
		}()
		sys.see("eth0", udp("192.0.2.1:47700", "192.0.2.2:47700", "hello").frame(time.Now(), kindSent))
		secrets <- Secret{}
		secrets <- Secret{KeyLog: "CLIENT_RANDOM aa bb"}
		secrets <- Secret{Comment: PersonComment("12D", "an\nna")}
		secrets <- Secret{Comment: RoomComment("01", "/t", "02", "03", "my room")}
		secrets <- Secret{Notice: "all is well"}
		cancel()
		must(t, <-ended)
		path, log := filepath.Join(dir, "chat"+ext), filepath.Join(dir, "chat.keylog")
		info, err := os.Stat(path)
		must(t, err)
		if info.Mode().Perm() != 0o600 {
			t.Errorf("mode %v", info.Mode())
		}
		var texts []string
		for len(notices) > 0 {
			if n := <-notices; n.Kind == NoticeSecrets {
				texts = append(texts, n.Text)
			}
		}
		if !slices.Contains(texts, "all is well") || len(texts) != map[string]int{".pcapng": 1, ".pcap": 2}[ext] {
			t.Errorf("%s: told %q", ext, texts)
		}
		if ext == ".pcapng" {
			want := []string{"CLIENT_RANDOM aa bb", "packet p2pchat peer=12D name=an\uFFFDna p2pchat room=01 key=03 epoch=02 topic=/t name=my room"}
			if got := secretsAndPackets(t, path); !slices.Equal(got, want) {
				t.Errorf("%q", got)
			}
			if _, err := os.Stat(log); err == nil {
				t.Error("a pcapng has a key log beside it")
			}
			continue
		}
		raw, err := os.ReadFile(log)
		must(t, err)
		if string(raw) != keyLogHeader+"p2pchat test\nCLIENT_RANDOM aa bb\n" {
			t.Errorf("key log %q", raw)
		}
		if info, _ := os.Stat(log); info.Mode().Perm() != 0o600 {
			t.Errorf("mode of the key log %v", info.Mode())
		}
		accepted(t, path)
	}
}

// What cannot be had from the start ends the capture; what stops later does not.
func TestSecretsFail(t *testing.T) {
	t.Parallel()
	for _, first := range []bool{true, false} {
		secrets := make(chan Secret, 1)
		if !first {
			secrets <- Secret{KeyLog: "CLIENT_RANDOM aa bb"}
		}
		close(secrets)
		broken := errors.New("the node has gone")
		told := make(chan string, 10)
		c, err := open(t.Context(), Options{
			Path: filepath.Join(t.TempDir(), "x.pcapng"), Target: Target{UDP: AnyAddr(47700)}, Secrets: fed(secrets, broken),
			Notice: func(n Notice) { told <- n.Text },
		}, newFakeSystem(nic("eth0", 2, "192.0.2.1/24")))
		must(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		if !first {
			go func() { // ends with the notice
				if text := <-told; !strings.Contains(text, "the node has gone") {
					t.Errorf("told %q", text)
				}
				cancel()
			}()
		}
		if _, err := c.Run(ctx); errors.Is(err, broken) != first {
			t.Errorf("failed at first %v: %v", first, err)
		}
		cancel()
	}
}

// A key log replaces a key log and nothing else.
func TestKeyLogFile(t *testing.T) {
	t.Parallel()
	for content, fine := range map[string]bool{
		"": true, keyLogHeader + "x\n": true, "CLIENT_RANDOM aa bb\n": true, "SERVER_TRAFFIC_SECRET_0 aa bb\n": true,
		"# notes of mine": false, "\x0a\x0d\x0d\x0a": false, "CLIENT": false,
	} {
		dir := t.TempDir()
		log := filepath.Join(dir, "x.keylog")
		must(t, os.WriteFile(log, []byte(content), 0o644))
		c, err := open(t.Context(), Options{
			Path: filepath.Join(dir, "x.pcap"), Target: Target{UDP: AnyAddr(47700)}, Secrets: fed(nil, nil),
		}, newFakeSystem(nic("eth0", 2, "192.0.2.1/24")))
		var usage *UsageError
		if fine != (err == nil) || !fine && !errors.As(err, &usage) {
			t.Errorf("over %q: %v", content, err)
		}
		if err == nil {
			must(t, c.Close())
		}
		got, _ := os.ReadFile(log)
		if !fine && string(got) != content || fine && !strings.HasPrefix(string(got), keyLogHeader) {
			t.Errorf("%q became %q", content, got)
		}
		if _, err := os.Stat(filepath.Join(dir, "x.pcap")); !fine && err == nil {
			t.Error("a capture is left that could not begin")
		}
	}
}
