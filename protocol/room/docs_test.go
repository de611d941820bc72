package room

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The tables of docs/ROOMS.md are those of the code.
func TestDocs(t *testing.T) {
	t.Parallel()
	b, err := os.ReadFile(filepath.Join("..", "..", "docs", "ROOMS.md"))
	if err != nil {
		t.Fatal(err)
	}
	docs := string(b)
	for _, p := range Privileges() {
		var cells []string
		for r := Visitor; r <= RoleOwner; r++ {
			cells = append(cells, map[Grade]string{No: "–", IfConfigured: "if configured", Yes: "✓"}[Allowed(p, r)])
		}
		want := " | " + strings.Join(cells, " | ") + " |\n"
		if name := "| " + p.String(); !strings.Contains(docs, name+want) && !strings.Contains(docs, name+" (of someone lower)"+want) {
			t.Errorf("no row %q%s", name, want)
		}
	}
	for _, f := range Fields() {
		if row := fmt.Sprintf("| %d | `%s`", f, f.Key()); !strings.Contains(docs, row) {
			t.Errorf("no row %s", row)
		}
	}
	for _, c := range []Code{
		Banned, MembershipRequired, NotAuthorized, Full, NickConflict, Forbidden, Destroyed, TooFast,
	} {
		if !strings.Contains(docs, "`"+string(c)+"`") {
			t.Errorf("no code %s", c)
		}
	}
}
