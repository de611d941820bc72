package labtest

import (
	"context"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"p2pchat/node/nodetest/lab"
)

// What may not reach a terminal as it is: it would move the cursor, clear the
// screen, change the title, turn the text around, or forge a line.
var nasty = map[string]string{
	"escape sequence": "\x1b[2J\x1b[31mred",
	"window title":    "\x1b]0;pwned\x07",
	"C1 control":      "before \u009b2J after",
	"carriage return": "alice: yes\rmallory: no",
	"backspace":       "abc\b\b\bxyz",
	"delete":          "del\x7fete",
	"line separator":  "one\u2028two\u2029three",
	"bidi override":   "safe\u202egnp.exe",
	"bidi isolate":    "a\u2066b\u2069c",
	"forged line":     "hello\n12:00 bob: I agree",
	"tab and NUL":     "a\tb\x00c",
	"zero width":      "a\u200bb\ufeffc",
	"many scripts":    "漢字 👍🏽 é ﷽",
	"ordinary":        "Hi! server, need help",
}

// harmless fails if printed text could do something to a terminal. A line
// feed ends a line and is fine.
func harmless(t *testing.T, what, text string, alsoBidi bool) {
	t.Helper()
	for i, r := range text {
		bad := r != '\n' && unicode.IsControl(r) || r == '\u2028' || r == '\u2029'
		if alsoBidi {
			bad = bad || r >= '\u202a' && r <= '\u202e' || r >= '\u2066' && r <= '\u2069'
		}
		if bad {
			t.Errorf("%s: %U at byte %d in %q", what, r, i, text)
			return
		}
	}
}

// screens checks everything the person's commands print, for people and for
// programs. JSON keeps bidi controls, since text is exact there.
func (p *person) screens(with ...*person) {
	p.t.Helper()
	commands := [][]string{{"peers"}, {"status"}, {"whoami"}, {"doctor"}}
	for _, other := range with {
		commands = append(commands, []string{"log", other.who.PeerID})
	}
	for _, args := range commands {
		r := p.run(exitDone, args...)
		harmless(p.t, strings.Join(args, " "), r.Stdout, true)
		harmless(p.t, strings.Join(args, " ")+", standard error", r.Stderr, true)
		r = p.run(exitDone, append(args, "--json")...)
		harmless(p.t, strings.Join(args, " ")+" --json", r.Stdout, false)
	}
	harmless(p.t, "what serve wrote", p.node.Proc.Stdout.String()+p.node.Proc.Stderr.String(), true)
}

// Texts arrive exactly as they were sent, and yet nothing in them reaches the
// terminal of whoever reads them.
func TestNastyTexts(t *testing.T) {
	t.Parallel()
	alice, bob := pair(t, lab.New(t, 2))
	human := bob.StartService(bob.Command(lab.Binary(t), "tail", "@alice"))
	exact := bob.Follow("@alice")

	var want []string
	for name, text := range nasty {
		ctx, cancel := context.WithTimeout(context.Background(), lab.Patience())
		r := alice.RunInput(ctx, text+"\n", "send", "@bob", "--stdin", "--json")
		cancel()
		if r.Code != exitDone {
			t.Fatalf("%s: %s", name, r)
		}
		want = append(want, text)
	}
	const end = "that was all"
	alice.tell(bob, end)
	want = append(want, end)
	agree(t, alice, bob, want)

	ctx, cancel := context.WithTimeout(context.Background(), lab.Patience())
	defer cancel()
	for _, p := range []*lab.Proc{human, exact} {
		if _, err := p.Stdout.Await(ctx, func(line string) bool { return strings.Contains(line, end) }); err != nil {
			t.Fatalf("%s: %v\n%s", p, err, p.Stdout)
		}
	}
	harmless(t, "tail", human.Stdout.String(), true)
	harmless(t, "tail --json", exact.Stdout.String(), false)
	// tail may have been started after the first of them was said.
	got := texts(lines[message](t, exact.Stdout.String()))
	if len(got) == 0 || !slices.Equal(got, want[len(want)-len(got):]) {
		t.Errorf("tail --json printed %q", got)
	}
	if line := regexp.MustCompile(`(?m)^12:00 bob: I agree`); line.MatchString(bob.run(exitDone, "log", "@alice").Stdout) {
		t.Error("a text with a line feed forges a line of the log")
	}
	alice.screens(bob)
	bob.screens(alice)
}

// Texts that cannot be sent are refused with a code, and nothing is stored.
func TestRefusedTexts(t *testing.T) {
	t.Parallel()
	alice, bob := pair(t, lab.New(t, 2))
	alice.fails(exitUsage, "too-long", "send", "@bob", strings.Repeat("x", 16<<10+1))
	alice.fails(exitUsage, "bad-text", "send", "@bob", "not \xff UTF-8")
	alice.fails(exitUsage, "bad-text", "send", "@bob", "")
	alice.fails(exitNotFound, "not-found", "send", "@nobody", "hello", "--wait", "100ms")
	alice.tell(bob, strings.Repeat("x", 16<<10))
	agree(t, alice, bob, []string{strings.Repeat("x", 16<<10)})
}

// Nobody can give himself a name that does something to a screen.
func TestNastyNamesAreRefused(t *testing.T) {
	t.Parallel()
	h := lab.New(t, 1).Hosts[0]
	ctx, cancel := context.WithTimeout(context.Background(), lab.Patience())
	defer cancel()
	for _, name := range []string{"\x1b[2Jevil", "a\nb", "\u202eecila", "a\u200bb", "", "two words", "#room", strings.Repeat("n", 33)} {
		r := h.Run(ctx, "init", "--name", name, "--no-password", "--json")
		if r.Code != exitUsage {
			t.Errorf("%q: %s", name, r)
		}
		harmless(t, "refusal of a name", r.Stdout+r.Stderr, true)
	}
	if got := h.Init("alice").Name; got != "alice" {
		t.Errorf("after the refusals: %q", got)
	}
}

// Two people with the same name: both are listed, with a warning, and a
// message to the name goes to neither.
func TestSameName(t *testing.T) {
	t.Parallel()
	l := lab.New(t, 3)
	alice := newPerson(t, l.Hosts[0], "alice").serve()
	one := newPerson(t, l.Hosts[1], "bob").serve()
	l.Within(3*time.Second, time.Now(), "the first bob", everyoneSees([]*person{alice, one}))
	two := newPerson(t, l.Hosts[2], "bob").serve()
	all := []*person{alice, one, two}
	l.Within(3*time.Second, time.Now(), "the second bob", everyoneSees(all))
	alice.fails(exitNotFound, "ambiguous", "send", "@bob", "which of you?")
	var sent receipt
	r := alice.run(exitDone, "send", two.who.PeerID, "you", "--json")
	if err := r.Decode(&sent); err != nil || sent.State != "delivered" {
		t.Errorf("by peer ID: %s", r)
	}
	if got := texts(one.log(alice)); len(got) != 0 {
		t.Errorf("the other bob has %q", got)
	}
	warned := 0
	for _, row := range lines[struct{ PeerID, Warning string }](t, alice.run(exitDone, "peers", "--json").Stdout) {
		if row.Warning != "" {
			warned++
		}
	}
	if warned == 0 {
		t.Errorf("no warning: %s", alice.run(exitDone, "peers").Stdout)
	}
}

// A machine on the LAN speaks our protocols, with names and words made to do
// harm, and garbage. Nothing of it shows on a screen, the node lives, and the
// others talk on.
func TestHostilePeer(t *testing.T) {
	t.Parallel()
	l := lab.New(t, 3)
	alice := newPerson(t, l.Hosts[0], "alice").serve()
	bob := newPerson(t, l.Hosts[1], "bob").serve()
	l.Within(3*time.Second, time.Now(), "both online", everyoneSees([]*person{alice, bob}))

	mallory := l.Hosts[2]
	ctx, cancel := context.WithTimeout(context.Background(), lab.Patience())
	defer cancel()
	r := mallory.RunCommand(ctx, mallory.Program("mallory", alice.node.Addrs[0]))
	if r.Code != 0 {
		t.Fatal(r)
	}
	if tried := strings.Count(r.Stdout, "tried"); tried == 0 {
		t.Fatalf("mallory tried nothing: %s", r)
	}
	alice.screens(bob)
	nameless := 0
	for _, row := range alice.peers() {
		switch {
		case row.PeerID == bob.who.PeerID:
		case row.Name == "":
			nameless++
		case row.Name != "mallory": // her honest name is all that may come through
			t.Errorf("alice lists %+v", row)
		}
	}
	if nameless > 0 {
		t.Errorf("alice lists %d who never introduced themselves properly", nameless)
	}
	alice.tell(bob, "who was that?")
	bob.tell(alice, "never mind")
	agree(t, alice, bob, []string{"who was that?", "never mind"})
	alice.node.Stop()
}
