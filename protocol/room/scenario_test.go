package room

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/libp2p/go-libp2p/core/peer"
)

var update = flag.Bool("update", false, "write the files under testdata anew")

// scenario plays a script of testdata/scenarios: who does what in which
// partition. docs/ROOMS.md explains the words. Lines that are indented are
// results.
type scenario struct {
	*history
	names []string
	parts [][]int
	texts map[int]string // of lines
	did   map[int]string // by act, the line of the script
	out   strings.Builder
}

// play runs a script under a mutation and gives it back with its results.
func play(script string, no mutation) (s *scenario, err error) {
	s = &scenario{texts: map[int]string{}, did: map[int]string{}}
	// A script may not make sense under a mutation.
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	for line := range strings.Lines(script) {
		line = strings.TrimRight(line, "\n")
		if strings.HasPrefix(line, "  ") {
			continue
		}
		s.out.WriteString(line + "\n")
		words := strings.Fields(line)
		if len(words) == 0 || words[0] == "#" {
			continue
		}
		if err := s.step(words, no); err != nil {
			return s, fmt.Errorf("%s: %w", line, err)
		}
	}
	return s, nil
}

func (s *scenario) result(format string, args ...any) {
	fmt.Fprintf(&s.out, "  "+format+"\n", args...)
}

func (s *scenario) step(words []string, no mutation) error {
	switch words[0] {
	case "people":
		s.names = words[1:]
		return nil
	case "room":
		return s.found(words[1:], no)
	case "part":
		s.parts = [][]int{nil}
		for _, w := range words[1:] {
			if w == "|" {
				s.parts = append(s.parts, nil)
				continue
			}
			p, err := s.person(w)
			if err != nil {
				return err
			}
			s.parts[len(s.parts)-1] = append(s.parts[len(s.parts)-1], p)
		}
		s.sync()
		return nil
	case "meet":
		s.together()
		s.sync()
		return nil
	case "state":
		return s.state(words[1:])
	}
	who, err := s.person(words[0])
	if err != nil {
		return err
	}
	o, words, err := s.options(words[1:])
	if err != nil {
		return err
	}
	if err := s.does(who, words, o); err != nil {
		return err
	}
	s.sync()
	return nil
}

func (s *scenario) person(name string) (int, error) {
	if p := slices.Index(s.names, name); p >= 0 && p < crowd {
		return p, nil
	}
	return 0, fmt.Errorf("nobody is called %q", name)
}

// found makes the room, with a configuration.
func (s *scenario) found(config []string, no mutation) error {
	var first []Setting
	for _, c := range config {
		k, v, _ := strings.Cut(c, "=")
		x, err := ParseSetting(k, v)
		if err != nil {
			return err
		}
		first = append(first, x)
	}
	s.history = emptyHistory(1, no, first)
	s.together()
	return nil
}

func (s *scenario) together() {
	s.parts = [][]int{nil}
	for p := range s.names {
		s.parts[0] = append(s.parts[0], p)
	}
}

// sync lets those who are together know the same.
func (s *scenario) sync() {
	for _, part := range s.parts {
		var knows events
		held := map[int]bool{}
		for _, p := range part {
			knows |= s.actors[p].knows
			maps.Copy(held, s.actors[p].held)
		}
		for _, p := range part {
			s.actors[p].knows, s.actors[p].held = knows, maps.Clone(held)
		}
	}
}

// state shows what the node of somebody thinks: of the first one named, or of
// the first of all.
func (s *scenario) state(names []string) error {
	p := 0
	if len(names) > 0 {
		var err error
		if p, err = s.person(names[0]); err != nil {
			return err
		}
	}
	set, held := s.actors[p].knows, s.actors[p].held
	w := s.world(set)
	for i, name := range s.names {
		stands, by := w.standsBy(set, i)
		d := w.door(set, i)
		row := fmt.Sprintf("%s is %s", name, stands.rank)
		if by != nil {
			row += fmt.Sprintf(" by #%d", by.n)
		}
		switch d.voice {
		case Voiced:
			row += ", has voice"
		case Devoiced:
			row += ", is devoiced"
		}
		switch {
		case !s.enters(d):
			row += ", may not enter"
		case !s.oracle.speaks(d):
			row += ", may listen"
		default:
			row += ", may speak"
		}
		s.result("%s", row)
	}
	for _, f := range []Field{FieldName, FieldDescription, FieldAccess, FieldModerated, FieldSubjectBy} {
		if a := w.register(set, func(a *act) bool { return a.kind == KindConfigure && a.field == f }); a != nil {
			s.result("%s is %q by #%d", f.Key(), Setting{Field: f, Number: a.value, Text: a.text}.Value(), a.n)
		}
	}
	if w.destroyed(set) {
		s.result("the room is destroyed")
	}
	for i := range set.all() {
		if !w.holds(i) {
			s.result("#%d (%s) has no effect", i, s.did[i])
		}
	}
	kept := s.kept(set, held)
	for _, i := range keys(held) {
		m, what := s.lines[i], "not kept: two with lower IDs stand in its place"
		if kept[i] {
			why, by := s.hidden(set, m, kept)
			switch why {
			case shown:
				what = "visible"
			case waits:
				what = "waits for a join"
			case withdrawn:
				what = "hidden: what he was let speak by is void"
			default:
				what = fmt.Sprintf("hidden by #%d", by.n)
				if why == retracted {
					what = fmt.Sprintf("retracted by #%d", by.n)
				}
			}
		}
		s.result("m%d %s: %s", i, s.texts[i], what)
	}
	if s.no == exact {
		return s.agrees(set, held)
	}
	return nil
}

// agrees asks the same of a Room.
func (s *scenario) agrees(set events, held map[int]bool) error {
	r, err := s.roomOf(set, held)
	if err != nil {
		return err
	}
	if d := s.compare(r, set, held); d != "" {
		return fmt.Errorf("the Room differs: %s", d)
	}
	return nil
}

// roomOf is a Room that was handed set and held.
func (s *scenario) roomOf(set events, held map[int]bool) (*Room, error) {
	var order []item
	for i := range set.all() {
		if i > 0 {
			order = append(order, item(i))
		}
	}
	for _, i := range keys(held) {
		order = append(order, item(-i-1))
	}
	return s.load(order)
}

// audit is the audit view of all that was done, with names.
func (s *scenario) audit() (string, error) {
	var all events
	for _, a := range s.actors {
		all |= a.knows
	}
	r, err := s.roomOf(all, nil)
	if err != nil {
		return "", err
	}
	name := func(p peer.ID) string {
		if i := slices.Index(crowdIDs[:], p); i >= 0 && i < len(s.names) {
			return s.names[i]
		}
		return "somebody"
	}
	var b strings.Builder
	for i, d := range r.Audit(name) {
		fmt.Fprintf(&b, "  #%d %s %s, %s\n", i, name(d.Author), d.Did, d.Why)
	}
	return b.String(), nil
}

func scripts(t testing.TB) map[string]string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("testdata", "scenarios", "*.txt"))
	if err != nil || len(files) == 0 {
		t.Fatal("no scenarios", err)
	}
	out := map[string]string{}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		out[f] = string(b)
	}
	return out
}

// TestScenarios plays the scripts of testdata/scenarios, which are documentation
// too, and compares the results with those that stand there.
func TestScenarios(t *testing.T) {
	t.Parallel()
	for file, want := range scripts(t) {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			script, _, _ := strings.Cut(want, "# Audit\n")
			s, err := play(script, exact)
			if err != nil {
				t.Fatal(err)
			}
			audit, err := s.audit()
			if err != nil {
				t.Fatal(err)
			}
			got := strings.TrimRight(s.out.String(), "\n") + "\n\n# Audit\n" + audit
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if got != want {
				t.Errorf("got:\n%s", got)
			}
		})
	}
}
