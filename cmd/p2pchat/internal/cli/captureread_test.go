package cli

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"

	"p2pchat/captures/report"
	"p2pchat/cmd/p2pchat/internal/term"
)

// The report fits terminals from 80 columns on, whoever's names stand in it, and
// lets nothing through that acts on them.
func TestReportFits(t *testing.T) {
	t.Parallel()
	f, err := os.Open("../../../../captures/samples/demo.pcapng")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r, err := report.Read(f, "demo.pcapng")
	if err != nil {
		t.Fatal(err)
	}
	const name = "\x1b[31mMallory \u202ethe Magnificent, Duke of Long Names and Earl of Escapes\x07"
	for i, c := range r.Conversations {
		c.Client.Name, c.Server.Name = name, fmt.Sprint(i)
	}
	r.MDNS.Announcers[0].Name = name
	r.Decrypted = &report.Decrypted{Tool: "tshark", Lines: []report.Line{{Time: *r.Begin, From: name, Room: name, Text: strings.Repeat("long\n", 100)}}}
	for _, columns := range []int{0, 80, 100, 119, 120, 200} {
		var out bytes.Buffer
		p := reportPrinter{app: &app{out: &output{w: &out}}, columns: columns}
		p.conversations(r)
		p.announcers(r)
		p.throughput(r)
		p.chat(r)
		if p.err != nil {
			t.Fatal(p.err)
		}
		for line := range strings.Lines(out.String()) {
			if line = strings.TrimSuffix(line, "\n"); columns > 0 && term.Width(line) > columns {
				t.Errorf("%d columns: a line of %d: %s", columns, term.Width(line), line)
			}
			if line != term.Clean(line) {
				t.Errorf("not clean: %q", line)
			}
		}
		if columns == 0 && !strings.Contains(out.String(), "Earl of Escapes") {
			t.Error("cut though it goes to no terminal")
		}
	}
}
