package pake

import (
	"encoding/hex"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"p2pchat/protocol/event"
)

var update = flag.Bool("update", false, "write the vectors anew")

// TestVectors keeps what docs/PROTOCOL.md describes: every value of a run, for
// those who write another implementation.
func TestVectors(t *testing.T) {
	const password = "correct horse"
	var out strings.Builder
	line := func(k string, v []byte) { out.WriteString(k + " " + hex.EncodeToString(v) + "\n") }
	var room event.Conversation
	for i := range room {
		room[i] = byte(i)
	}
	c := Context{Room: room, Joiner: testPeer(t, 1), Admitter: testPeer(t, 2), Generation: 258}
	out.WriteString("password " + password + "\n")
	line("room", room[:])
	out.WriteString("generation 258\n")
	line("joiner", []byte(c.Joiner))
	line("admitter", []byte(c.Admitter))

	s := Stretch(room, c.Generation, []byte(password))
	line("PRS", s[:])
	line("CI", c.channel())
	g, err := calculateGenerator(s[:], c.channel(), nil)
	if err != nil {
		t.Fatal(err)
	}
	line("g", g.Bytes())
	for i, side := range []string{"ya", "yb"} {
		y, err := sampleScalar(&stream{n: uint64(i) + 1}) // as run draws them
		if err != nil {
			t.Fatal(err)
		}
		line(side, y.Bytes())
	}
	x := run(t, s, s, c, c, asIs)
	if x.finish != nil || x.verify != nil {
		t.Fatalf("joiner %v, admitter %v", x.finish, x.verify)
	}
	line("Ya", x.joinerShare)
	line("Yb", x.admitterShare)
	line("Tb", x.admitterConfirm)
	line("Ta", x.joinerConfirm)

	path := filepath.Join("testdata", "vectors.txt")
	if *update {
		if err := os.WriteFile(path, []byte(out.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if out.String() != string(want) {
		t.Errorf("the protocol changed:\n%s", out.String())
	}
}
