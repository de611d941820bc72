package main

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"strings"
	"testing"
)

// rule forbids packages whose path begins with from to import, directly, any
// that begins with one of to, but for those that begin with one of but.
type rule struct {
	why      string
	from     string
	to, but  []string
	sideways bool   // instead of to: other folders below from
	apart    string // a package below from that has a rule of its own
}

const module = "p2pchat/"

var rules = []rule{
	{
		why: "protocol is pure: no sockets, files, clocks or loggers", from: "protocol/",
		to: []string{"net", "os", "log", "log/slog", "io/fs", "crypto/rand", "math/rand", "database/sql", module + "node", module + "captures", module + "cmd"},
	},
	{
		why: "captures knows nothing of the node", from: "captures",
		to: []string{module + "node", module + "cmd", module + "protocol"}, apart: "captures/wireshark/gen",
	},
	{
		why: "what makes the Wireshark plugin reads the messages, nothing else", from: "captures/wireshark/gen",
		to: []string{module}, but: []string{module + "protocol/pb"},
	},
	{why: "node knows neither captures nor faces", from: "node", to: []string{module + "captures", module + "cmd"}},
	{why: "api stands alone", from: "node/api", to: []string{module}, but: []string{module + "node/api"}, apart: "node/api/apitest"},
	{
		why: "the network in memory knows the service and the rules of rooms", from: "node/api/apitest",
		to: []string{module}, but: []string{module + "node/api", module + "protocol"},
	},
	{why: "localapi knows the service only", from: "node/localapi", to: []string{module, "github.com/libp2p"}, but: []string{module + "node/api"}},
	{why: "parts of the node don't know each other; node composes them", from: "node/internal/", sideways: true},
	{why: "parts of the node don't know what stands on them", from: "node/internal/", to: []string{module + "node/api", module + "node/localapi"}},
	{why: "faces don't know each other", from: "cmd/p2pchat/internal/", sideways: true, but: []string{module + "cmd/p2pchat/internal/term"}},
	face("cli"), face("tui"),
}

func face(name string) rule {
	return rule{
		why: "a face knows the service only", from: "cmd/p2pchat/internal/" + name,
		to:  []string{module + "node", module + "protocol", "github.com/libp2p"},
		but: []string{module + "node/api", module + "node/localapi"},
	}
}

// TestImports keeps the arrows of docs/ARCHITECTURE.md pointing down.
func TestImports(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, goos := range []string{"linux", "darwin", "windows"} {
		cmd := exec.Command("go", "list", "-json=ImportPath,Imports", "./...")
		cmd.Dir = "../.."
		cmd.Env = append(cmd.Environ(), "GOOS="+goos, "GOARCH=amd64", "CGO_ENABLED=0")
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("go list: %v", err)
		}
		for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
			var p struct {
				ImportPath string
				Imports    []string
			}
			if err := dec.Decode(&p); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatal(err)
			}
			path := strings.TrimPrefix(p.ImportPath, module)
			for i, r := range rules {
				if path != r.from && !under(path, r.from) || path == r.apart {
					continue
				}
				seen[rules[i].why+r.from] = true
				for _, imp := range p.Imports {
					if r.forbids(path, imp) {
						t.Errorf("%s imports %s: %s", path, imp, r.why)
					}
				}
			}
		}
	}
	for _, r := range rules {
		if !seen[r.why+r.from] {
			t.Errorf("no package is under the rule %q", r.why)
		}
	}
}

func (r rule) forbids(path, imp string) bool {
	for _, ok := range r.but {
		if imp == ok || under(imp, ok) {
			return false
		}
	}
	if r.sideways {
		rest, inside := strings.CutPrefix(imp, module+r.from)
		own, _, _ := strings.Cut(strings.TrimPrefix(path, r.from), "/")
		other, _, _ := strings.Cut(rest, "/")
		return inside && own != other
	}
	for _, bad := range r.to {
		if imp == bad || (strings.Contains(bad, "/") && under(imp, bad)) {
			return true
		}
	}
	return false
}

// under tells whether path lies below dir.
func under(path, dir string) bool {
	return strings.HasPrefix(path, strings.TrimSuffix(dir, "/")+"/")
}
