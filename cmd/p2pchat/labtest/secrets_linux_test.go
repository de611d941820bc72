package labtest

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/gopacket"

	"p2pchat/node/nodetest/lab"
)

// A node that has been running and connected is captured with its secrets: while
// people talk, every connection is opened anew and can be read from its handshake
// on, nobody misses or hears anything twice, and a capture without secrets that
// runs beside it holds none.
func TestCaptureSecrets(t *testing.T) {
	t.Parallel()
	lab.Require(t, "tshark", "capinfos", "tcpdump")
	for transport, listen := range map[string]string{
		"quic": "/ip4/0.0.0.0/udp/47700/quic-v1", "tcp": "/ip4/0.0.0.0/tcp/47700",
	} {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			repeat(t, "captured with secrets over "+transport, time.Minute, func(t *testing.T) time.Duration {
				return captureSecrets(t, transport, listen)
			})
		})
	}
}

func captureSecrets(t *testing.T, transport, listen string) time.Duration {
	l := lab.New(t, 3)
	all := people(t, l, "--listen", listen)
	l.Within(3*time.Second, all[0].node.Started, "three online", everyoneSees(all))
	g := gather(t, l, all)
	alice, bob := all[0], all[1]
	alice.tell(bob, "before the capture")

	sealed := startCapture(t, l, alice, "sealed.pcapng")
	const each = 60
	want := words{}
	var talk []*speech
	for _, p := range all {
		want[p] = linesOf(p, each)
		talk = append(talk, p.speaks("#dev", want[p], 50*time.Millisecond, "--wait", lab.Patience().String()))
	}
	began := time.Now()
	readable := startCapture(t, l, alice, "readable.pcapng", "--secrets")
	victim := startCapture(t, l, alice, "killed.pcapng", "--secrets")
	for i := range 5 {
		bob.tell(alice, fmt.Sprintf("between us %d", i))
	}
	for _, s := range talk {
		delivered(t, s.end(), len(all)-1)
	}
	g.agree(15*time.Second, time.Now(), "talk while connections are opened anew", want)
	said := []string{"before the capture"}
	for i := range 5 {
		said = append(said, fmt.Sprintf("between us %d", i))
	}
	agree(t, alice, bob, said)
	// What is said now is in the file too when it ends.
	const last = "the last line of all"
	bob.tell(alice, last)

	// With the end of each capture connections are opened anew. What the first to end
	// does not have of that is not its business; of what a kill cuts off the keys came first.
	done := readable.stop(t)
	victim.proc.Kill9()
	plain := sealed.stop(t)
	if done.Sessions < 2 || done.RoomKeys == nil || *done.RoomKeys != 1 || len(done.Missing) != 0 {
		t.Errorf("keys of %d sessions and %v of rooms, missing %v", done.Sessions, done.RoomKeys, done.Missing)
	}
	if plain.RoomKeys != nil {
		t.Errorf("a capture without secrets tells of them: %+v", plain)
	}
	for _, c := range []*running{sealed, readable, victim} {
		accepted(t, c.file)
		onlyOurs(t, c.file)
		if info, err := os.Stat(c.file); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", c.file, info.Mode(), err)
		}
	}
	lines, key := keysIn(t, readable.file)
	for _, want := range []string{"CLIENT_TRAFFIC_SECRET_0 ", "SERVER_HANDSHAKE_TRAFFIC_SECRET "} {
		if !strings.Contains(strings.Join(lines, "\n"), want) {
			t.Errorf("no %sin %q", want, lines)
		}
	}
	withoutSecrets(t, sealed.file, lines, key, append(said, last, "says line"))
	for name, file := range map[string]string{"whole": readable.file, "killed": victim.file} {
		text := decrypted(t, transport, file)
		for _, line := range said[1:] {
			if !bytes.Contains(text, []byte(line)) {
				t.Errorf("%s: %q cannot be read", name, line)
			}
		}
		if name == "whole" && !bytes.Contains(text, []byte(last)) {
			t.Errorf("%q cannot be read", last)
		}
	}
	// All goes on, over one connection each.
	l.Within(5*time.Second, time.Now(), "one connection each again", oneConnectionEach(all))
	bob.tell(alice, "after the capture")
	return time.Since(began)
}

// running is a capture under way.
type running struct {
	proc *lab.Proc
	file string
}

// startCapture returns when the capture collects packets, and with secrets when
// every connection has been opened anew.
func startCapture(t *testing.T, l *lab.Lab, p *person, name string, args ...string) *running {
	t.Helper()
	c := &running{file: filepath.Join(l.Dir("captures"), name)}
	c.proc = p.StartService(p.Command(p.Binary(), append([]string{"capture", "-w", c.file, "--json"}, args...)...))
	if len(args) == 0 {
		l.Within(3*time.Second, time.Now(), name+" is there", func(context.Context) error {
			_, err := os.Stat(c.file)
			return err
		})
		return c
	}
	ctx, cancel := context.WithTimeout(context.Background(), lab.Patience())
	defer cancel()
	if _, err := c.proc.Stderr.Await(ctx, func(line string) bool { return strings.Contains(line, "WARNING: ") }); err != nil {
		t.Errorf("no warning: %v", err)
	}
	if _, err := c.proc.Stderr.Await(ctx, func(line string) bool { return strings.Contains(line, "every connection has been opened anew") }); err != nil {
		t.Fatalf("connections are not opened anew: %v", err)
	}
	return c
}

// capturedJSON is what the command prints.
type capturedJSON struct {
	Packets  int
	Sessions int
	RoomKeys *int `json:"room_keys"`
	Missing  []string
}

func (c *running) stop(t *testing.T) capturedJSON {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), lab.Patience())
	defer cancel()
	r := c.proc.Interrupt(ctx, syscall.SIGINT)
	var done capturedJSON
	if err := r.Decode(&done); err != nil || r.Code != exitDone || done.Packets == 0 {
		t.Fatalf("%v: %s", err, r)
	}
	return done
}

// tshark runs it on a file.
func tshark(t *testing.T, file string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), lab.Patience())
	defer cancel()
	var stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, "tshark", append([]string{"-n", "-r", file}, args...)...)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	// The last block of one that was killed may be cut.
	if err != nil && !strings.Contains(stderr.String(), "cut short") {
		t.Fatalf("tshark: %v\n%s", err, stderr.String())
	}
	return string(out)
}

// keysIn gives the key log of a file, and the key of its room.
func keysIn(t *testing.T, file string) (lines []string, key string) {
	t.Helper()
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(raw)) {
		for _, label := range []string{"CLIENT_", "SERVER_"} {
			if i := strings.Index(line, label); i >= 0 && len(strings.Fields(line[i:])) == 3 {
				lines = append(lines, strings.TrimSpace(line[i:]))
				break
			}
		}
	}
	for _, word := range strings.Fields(tshark(t, file, "-T", "fields", "-e", "frame.comment")) {
		if v, ok := strings.CutPrefix(word, "key="); ok {
			key = v
		}
	}
	if !bytes.Contains(raw, []byte("traffic of the p2pchat node of alice (")) || !bytes.Contains(raw, []byte("\nwith bob (")) {
		t.Errorf("%s does not say whose traffic it is", file)
	}
	if len(lines) == 0 || len(key) != 64 {
		t.Fatalf("%s: %d lines of a key log, room key %q", file, len(lines), key)
	}
	return lines, key
}

// withoutSecrets searches a whole file for what must not be in it, as text and as
// bytes.
func withoutSecrets(t *testing.T, file string, log []string, key string, said []string) {
	t.Helper()
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	never := append([]string{key, "_TRAFFIC_SECRET", "p2pchat room=", "p2pchat peer="}, said...)
	for _, line := range log {
		never = append(never, line, strings.Fields(line)[2])
	}
	for _, s := range never {
		if bytes.Contains(raw, []byte(s)) {
			t.Errorf("%s holds %q", file, s)
		}
		if b, err := hex.DecodeString(s); err == nil && len(b) > 0 && bytes.Contains(raw, b) {
			t.Errorf("%s holds the bytes of %q", file, s)
		}
	}
}

// decrypted is all that can be read in a file, which must be every connection that
// began in it, from its handshake on.
func decrypted(t *testing.T, transport, file string) []byte {
	t.Helper()
	if transport == "quic" {
		all := packets(t, file)
		for _, number := range strings.Fields(tshark(t, file, "-Y", "quic.decryption_failed", "-T", "fields", "-e", "frame.number")) {
			if i, err := strconv.Atoi(number); err != nil || !straggler(all[:i]) {
				t.Errorf("%s: packet %s cannot be decrypted:\n%s", file, number,
					tshark(t, file, "-Y", "udp.port == 47700 && frame.number <= "+number, "-T", "fields", "-e", "frame.number",
						"-e", "frame.time_relative", "-e", "ip.src", "-e", "ip.dst", "-e", "_ws.col.Info", "-e", "udp.payload"))
			}
		}
		var text []byte
		for _, piece := range strings.FieldsFunc(tshark(t, file, "-T", "fields", "-e", "quic.stream_data"), func(r rune) bool { return r == ',' || r == '\n' }) {
			if b, err := hex.DecodeString(piece); err == nil { // else tshark says that there is none
				text = append(text, b...)
			}
		}
		return text
	}
	// Of each record of a session whose handshake is in the file there is what is in it.
	began := map[string]bool{}
	for _, row := range strings.Fields(tshark(t, file, "-Y", "tls.handshake.type == 1", "-T", "fields", "-e", "tcp.stream")) {
		began[row] = true
	}
	if len(began) < 2 {
		t.Errorf("%s: %d handshakes", file, len(began))
	}
	var all []byte
	for stream := range began {
		sealed, opened := 0, 0
		inside := false
		for line := range strings.Lines(tshark(t, file, "-x", "-Y", "tls.app_data && tcp.stream == "+stream)) {
			switch {
			case strings.HasPrefix(line, "Decrypted TLS ("):
				opened++
				inside = true
			case len(line) < 6 || line[4] != ' ':
				if strings.HasPrefix(line, "Frame (") || strings.HasPrefix(line, "Packet (") {
					sealed++
				}
				inside = false
			case inside:
				b, err := hex.DecodeString(strings.ReplaceAll(strings.TrimSpace(line[4:min(len(line), 54)]), " ", ""))
				if err != nil {
					t.Fatalf("%q: %v", line, err)
				}
				all = append(all, b...)
			}
		}
		if sealed == 0 || opened < sealed {
			t.Errorf("%s: TCP stream %s: %d frames with records, %d records opened", file, stream, sealed, opened)
		}
	}
	return all
}

// straggler tells whether the last of these packets is of a QUIC connection that was
// seen before the handshake of the next one: the peer's last words, or our own again.
func straggler(all []gopacket.Packet) bool {
	last := all[len(all)-1]
	handshakes := 0
	for _, p := range slices.Backward(all[:len(all)-1]) {
		switch {
		case p.NetworkLayer() == nil || p.TransportLayer() == nil || len(p.TransportLayer().LayerPayload()) < 5:
		case p.NetworkLayer().NetworkFlow() == last.NetworkLayer().NetworkFlow() && handshakes > 0 &&
			bytes.Equal(connectionID(p), connectionID(last)):
			return true
		case p.TransportLayer().LayerPayload()[0]&0xf0 == 0xc0: // an Initial packet
			handshakes++
		}
	}
	return false
}

// connectionID is the destination of a packet with a short header, whose length
// quic-go chooses to be 4 bytes.
func connectionID(p gopacket.Packet) []byte { return p.TransportLayer().LayerPayload()[1:5] }
