package pake

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"testing"
	"testing/iotest"

	"github.com/gtank/ristretto255"
	"github.com/libp2p/go-libp2p/core/peer"

	"p2pchat/protocol/event"
	"p2pchat/protocol/identity"
)

// stream is a repeatable source of randomness, another for each number.
type stream struct{ n, at uint64 }

func (s *stream) Read(p []byte) (int, error) {
	for i := range p {
		s.at++
		x := (s.at + s.n<<32) * 0x9e3779b97f4a7c15
		p[i] = byte(x >> 56)
	}
	return len(p), nil
}

func testPeer(t testing.TB, n byte) peer.ID {
	t.Helper()
	k, err := identity.KeyFromSeed(bytes.Repeat([]byte{n}, 32))
	if err != nil {
		t.Fatal(err)
	}
	return k.ID()
}

var right, wrong = Secret{1, 2, 3}, Secret{1, 2, 4}

func testContext(t testing.TB) Context {
	t.Helper()
	return Context{Room: event.Conversation{7}, Joiner: testPeer(t, 1), Admitter: testPeer(t, 2), Generation: 3}
}

// transcript is what both sides of a run sent, and how it ended.
type transcript struct {
	joinerShare, admitterShare, admitterConfirm, joinerConfirm []byte
	finish, verify                                             error
}

// run plays a whole run, in which change may meddle with what was sent so far.
func run(t testing.TB, js, as Secret, jc, ac Context, change func(*transcript)) *transcript {
	t.Helper()
	j, jshare, err := Start(&stream{n: 1}, js, jc)
	if err != nil {
		t.Fatal(err)
	}
	x := &transcript{joinerShare: jshare}
	change(x)
	a, ashare, aconfirm, err := Respond(&stream{n: 2}, as, ac, x.joinerShare)
	if err != nil {
		x.finish, x.verify = err, err
		return x
	}
	x.admitterShare, x.admitterConfirm = ashare, aconfirm
	change(x)
	x.joinerConfirm, x.finish = j.Finish(x.admitterShare, x.admitterConfirm)
	change(x)
	x.verify = a.Verify(x.joinerConfirm)
	return x
}

func asIs(*transcript) {}

func TestTheRightPasswordOpens(t *testing.T) {
	c := testContext(t)
	x := run(t, right, right, c, c, asIs)
	if x.finish != nil || x.verify != nil {
		t.Fatalf("joiner: %v, admitter: %v", x.finish, x.verify)
	}
	if len(x.joinerShare) != ShareSize || len(x.admitterShare) != ShareSize || len(x.admitterConfirm) != ConfirmSize || len(x.joinerConfirm) != ConfirmSize {
		t.Errorf("sizes of %+v", x)
	}
	if bytes.Equal(x.admitterConfirm, x.joinerConfirm) {
		t.Error("both confirm alike")
	}
}

func TestNothingElseOpens(t *testing.T) {
	c := testContext(t)
	with := func(f func(*Context)) Context {
		d := c
		f(&d)
		return d
	}
	for name, x := range map[string]*transcript{
		"joiner does not know the password":   run(t, wrong, right, c, c, asIs),
		"admitter does not know the password": run(t, right, wrong, c, c, asIs),
		"another room":                        run(t, right, right, with(func(c *Context) { c.Room[31]++ }), c, asIs),
		"another generation":                  run(t, right, right, with(func(c *Context) { c.Generation++ }), c, asIs),
		"swapped roles":                       run(t, right, right, with(func(c *Context) { c.Joiner, c.Admitter = c.Admitter, c.Joiner }), c, asIs),
		"relayed by another joiner":           run(t, right, right, c, with(func(c *Context) { c.Joiner = testPeer(t, 3) }), asIs),
		"relayed to another admitter":         run(t, right, right, c, with(func(c *Context) { c.Admitter = testPeer(t, 3) }), asIs),
		"turned back on the joiner": run(t, right, right, c, c, func(x *transcript) {
			x.admitterShare = x.joinerShare
		}),
	} {
		if x.finish != ErrNotAuthorized || x.verify != ErrNotAuthorized {
			t.Errorf("%s: joiner %v, admitter %v", name, x.finish, x.verify)
		}
		if x.joinerConfirm != nil {
			t.Errorf("%s: the joiner confirms what he could not check", name)
		}
	}
}

// Whoever changes a byte of what is sent, in either direction, ends the run.
func TestTamperedBytes(t *testing.T) {
	c := testContext(t)
	for field, pick := range map[string]func(*transcript) *[]byte{
		"joiner's share":     func(x *transcript) *[]byte { return &x.joinerShare },
		"admitter's share":   func(x *transcript) *[]byte { return &x.admitterShare },
		"admitter's confirm": func(x *transcript) *[]byte { return &x.admitterConfirm },
		"joiner's confirm":   func(x *transcript) *[]byte { return &x.joinerConfirm },
	} {
		spoil := func(name string, f func([]byte) []byte) {
			done := false
			x := run(t, right, right, c, c, func(x *transcript) {
				if b := pick(x); !done && *b != nil {
					*b, done = f(bytes.Clone(*b)), true
				}
			})
			if x.verify != ErrNotAuthorized || x.finish != ErrNotAuthorized && field != "joiner's confirm" {
				t.Errorf("%s %s: joiner %v, admitter %v", field, name, x.finish, x.verify)
			}
		}
		for _, i := range []int{0, 1, 15, 30, 31} {
			for _, bit := range []byte{0x01, 0x80} {
				spoil(fmt.Sprintf("byte %d bit %x", i, bit), func(b []byte) []byte { b[i] ^= bit; return b })
			}
		}
		spoil("cut", func(b []byte) []byte { return b[:len(b)-1] })
		spoil("longer", func(b []byte) []byte { return append(b, 0) })
		spoil("missing", func([]byte) []byte { return []byte{} })
		spoil("zero", func(b []byte) []byte { return make([]byte, len(b)) })
		spoil("ones", func(b []byte) []byte { return bytes.Repeat([]byte{0xff}, len(b)) })
	}
}

// A share and a confirmation of one run are of no use in another, even between
// the same two with the same password.
func TestReplay(t *testing.T) {
	c := testContext(t)
	old := run(t, right, right, c, c, asIs)

	a, _, _, err := Respond(&stream{n: 5}, right, c, old.joinerShare)
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Verify(old.joinerConfirm); err != ErrNotAuthorized {
		t.Errorf("a replayed joiner: %v", err)
	}
	j, _, err := Start(&stream{n: 6}, right, c)
	if err != nil {
		t.Fatal(err)
	}
	if confirm, err := j.Finish(old.admitterShare, old.admitterConfirm); err != ErrNotAuthorized || confirm != nil {
		t.Errorf("a replayed admitter: %v", err)
	}
}

func TestARunIsUsedOnce(t *testing.T) {
	c := testContext(t)
	j, share, err := Start(&stream{n: 1}, right, c)
	if err != nil {
		t.Fatal(err)
	}
	a, ashare, aconfirm, err := Respond(&stream{n: 2}, right, c, share)
	if err != nil {
		t.Fatal(err)
	}
	share[0]++ // the run keeps its own
	confirm, err := j.Finish(ashare, aconfirm)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := j.Finish(ashare, aconfirm); err != ErrNotAuthorized || again != nil {
		t.Errorf("finished twice: %v", err)
	}
	if err := a.Verify(confirm[:ConfirmSize-1]); err != ErrNotAuthorized {
		t.Errorf("half a confirmation: %v", err)
	}
	if err := a.Verify(confirm); err != ErrNotAuthorized {
		t.Errorf("a second try at the same run: %v", err)
	}
}

// Right or wrong, an onlooker sees as many bytes in the same places; only
// whether the joiner confirms differs, and that the password is wrong is what
// the admitter says next anyway.
func TestTranscriptsLookAlike(t *testing.T) {
	c := testContext(t)
	shape := func(x *transcript) string {
		return fmt.Sprint(len(x.joinerShare), len(x.admitterShare), len(x.admitterConfirm))
	}
	good := run(t, right, right, c, c, asIs)
	for name, bad := range map[string]*transcript{
		"wrong joiner":   run(t, wrong, right, c, c, asIs),
		"wrong admitter": run(t, right, wrong, c, c, asIs),
	} {
		if shape(bad) != shape(good) {
			t.Errorf("%s: %s, want %s", name, shape(bad), shape(good))
		}
		for _, p := range [][]byte{bad.joinerShare, bad.admitterShare} {
			if _, err := ristretto255.NewIdentityElement().SetCanonicalBytes(p); err != nil {
				t.Errorf("%s: a share that is none", name)
			}
		}
	}
}

// Even shares that are equal are confirmed differently by the two sides.
func TestRolesAreConfirmed(t *testing.T) {
	x := ristretto255.NewGeneratorElement().Bytes()
	if ta, tb := confirmations(x, x, x); bytes.Equal(ta, tb) {
		t.Error("the admitter could send back what the joiner would")
	}
}

// A joiner who sends something he did not make with a password gets the answer
// of a wrong one; elements that would fix K do not get that far.
func TestFalseShares(t *testing.T) {
	c := testContext(t)
	for name, share := range map[string][]byte{
		"none": nil, "the neutral element": make([]byte, 32), "not canonical": bytes.Repeat([]byte{0xff}, 32),
		"negative": append([]byte{1}, make([]byte, 31)...), "short": make([]byte, 31), "long": make([]byte, 33),
	} {
		a, s, confirm, err := Respond(&stream{n: 2}, right, c, share)
		if err != ErrNotAuthorized || a != nil || s != nil || confirm != nil {
			t.Errorf("joiner's share %s: %v", name, err)
		}
		j, _, err := Start(&stream{n: 1}, right, c)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := j.Finish(share, make([]byte, ConfirmSize)); err != ErrNotAuthorized {
			t.Errorf("admitter's share %s: %v", name, err)
		}
	}
	if x := run(t, right, right, c, c, func(x *transcript) {
		x.joinerShare = ristretto255.NewGeneratorElement().Bytes()
	}); x.finish != ErrNotAuthorized || x.verify != ErrNotAuthorized {
		t.Errorf("an element of his own: %v, %v", x.finish, x.verify)
	}
}

func TestWhatIsNoRun(t *testing.T) {
	c := testContext(t)
	dry := iotest.ErrReader(errors.New("no randomness"))
	alone, nobody := c, c
	alone.Admitter = alone.Joiner
	nobody.Joiner = ""
	for name, v := range map[string]struct {
		c    Context
		rand io.Reader
	}{"no randomness": {c, dry}, "with oneself": {alone, &stream{}}, "with nobody": {nobody, &stream{}}} {
		if _, _, err := Start(v.rand, right, v.c); err == nil || errors.Is(err, ErrNotAuthorized) {
			t.Errorf("%s: started: %v", name, err)
		}
		if _, _, _, err := Respond(v.rand, right, v.c, ristretto255.NewGeneratorElement().Bytes()); err == nil || errors.Is(err, ErrNotAuthorized) {
			t.Errorf("%s: responded: %v", name, err)
		}
	}
}

func TestStretch(t *testing.T) {
	r := event.Conversation{7}
	s := Stretch(r, 1, []byte("tr\u00e9s secret"))
	if s != Stretch(r, 1, []byte("tre\u0301s secret")) {
		t.Error("the same password from another keyboard is another")
	}
	for name, o := range map[string]Secret{
		"another password":   Stretch(r, 1, []byte("tres secret")),
		"another room":       Stretch(event.Conversation{8}, 1, []byte("tr\u00e9s secret")),
		"another generation": Stretch(r, 2, []byte("tr\u00e9s secret")),
		"no text":            Stretch(r, 1, []byte{0xff, 0, 1}),
	} {
		if o == s || o == (Secret{}) {
			t.Errorf("%s: the same secret, or none", name)
		}
	}
	if got := fmt.Sprintf("%v %+v %x", s, struct{ S Secret }{s}, s); got != "(secret) {S:(secret)} "+fmt.Sprintf("%x", "(secret)") {
		t.Errorf("a secret shows: %s", got)
	}
}

// Two contexts that differ give different channels, wherever they are cut.
func TestChannelIsInjective(t *testing.T) {
	a := Context{Joiner: "ab", Admitter: "c", Room: event.Conversation{1}}
	b := Context{Joiner: "a", Admitter: "bc", Room: event.Conversation{1}}
	if bytes.Equal(a.channel(), b.channel()) {
		t.Error("the boundary between two IDs is lost")
	}
	if n := len(a.channel()); n != 1+len(channelDomain)+3+2+33+9 {
		t.Errorf("channel of %d bytes", n)
	}
	if g := binary.BigEndian.Uint64(Context{Generation: 1 << 40}.channel()[1+len(channelDomain)+1+1+33+1:]); g != 1<<40 {
		t.Errorf("generation %d", g)
	}
}
