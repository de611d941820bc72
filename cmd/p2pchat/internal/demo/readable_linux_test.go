package demo

import (
	"bytes"
	"encoding/hex"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"p2pchat/node/nodetest/lab"
)

// Who has the file has the keys of every connection in it, each line of them once,
// and reads what was said over both transports.
func TestReadable(t *testing.T) {
	t.Parallel()
	lab.Require(t, "tshark", "capinfos", "tcpdump")
	for _, format := range []string{"pcapng", "pcap"} {
		t.Run(format, func(t *testing.T) {
			t.Parallel()
			l := lab.New(t, 1)
			h := l.Hosts[0]
			file := filepath.Join(l.Dir("captures"), "demo."+format)
			say := text(1000)
			demonstrate(t, h, 0, say, "-w", file)
			accepted(t, h, file)
			args := []string{"-n", "-r", file}
			keys := file
			if format == "pcap" {
				keys = strings.TrimSuffix(file, ".pcap") + ".keylog"
				args = append(args, "-o", "tls.keylog_file:"+keys)
			}
			for _, name := range []string{file, keys} {
				if info, err := os.Stat(name); err != nil || info.Mode().Perm() != 0o600 {
					t.Errorf("%s: %v", name, err)
				}
			}
			raw, err := os.ReadFile(keys)
			if err != nil {
				t.Fatal(err)
			}
			seen := map[string]bool{}
			for _, line := range regexp.MustCompile(`(?:CLIENT|SERVER)_[A-Z_0]+ [0-9a-f]{64} [0-9a-f]+`).FindAllString(string(raw), -1) {
				if seen[line] {
					t.Errorf("twice: %s", line)
				}
				seen[line] = true
			}
			if len(seen) < 8 { // four of each session
				t.Errorf("%d lines of a key log", len(seen))
			}

			quic := unhex(strings.FieldsFunc(tool(t, h, "tshark", append(args, "-T", "fields", "-e", "quic.stream_data")...),
				func(r rune) bool { return r == ',' || r == '\n' }))
			tls := dumped(tool(t, h, "tshark", append(args, "-x", "-Y", "tcp && tls.app_data")...), "Decrypted TLS (")
			for transport, said := range map[string][]byte{"tcp": tls, "quic": quic} {
				for _, line := range []string{"Hi! server, need help", "Hi client! glad to help", say} {
					if !bytes.Contains(said, []byte(line)) {
						t.Errorf("%.30q cannot be read over %s", line, transport)
					}
				}
			}
			if failed := tool(t, h, "tshark", append(args, "-Y", "quic.decryption_failed")...); failed != "" {
				t.Errorf("packets that cannot be decrypted:\n%s", failed)
			}
			if got := bytes.Count(raw, []byte("p2pchat room=")); format == "pcapng" && got != 2 {
				t.Errorf("keys of %d rooms, want one in each act", got)
			}
		})
	}
}

func unhex(pieces []string) (all []byte) {
	for _, s := range pieces {
		if b, err := hex.DecodeString(s); err == nil { // else tshark says that there is none
			all = append(all, b...)
		}
	}
	return all
}

// dumped reads the bytes under each heading of a hex dump that begins so.
func dumped(text, heading string) []byte {
	var pieces []string
	inside := false
	for line := range strings.Lines(text) {
		switch {
		case len(line) < 6 || line[4] != ' ':
			inside = strings.HasPrefix(line, heading)
		case inside:
			pieces = append(pieces, strings.ReplaceAll(strings.TrimSpace(line[4:min(len(line), 54)]), " ", ""))
		}
	}
	return unhex(pieces)
}
