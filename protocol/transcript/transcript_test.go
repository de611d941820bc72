package transcript

import (
	"bytes"
	"encoding/base64"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/text/encoding/unicode"

	"p2pchat/protocol/event"
	"p2pchat/protocol/identity"
	"p2pchat/protocol/room"
)

func testKey(t testing.TB, n byte) identity.Key {
	t.Helper()
	k, err := identity.KeyFromSeed(bytes.Repeat([]byte{n}, 32))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// author writes a log.
type author struct {
	t    testing.TB
	key  identity.Key
	conv event.Conversation
	seq  uint64
	prev event.ID
	at   time.Time
}

func (a *author) writes(kind event.Kind, body []byte) *event.Event {
	a.t.Helper()
	a.seq++
	a.at = a.at.Add(time.Second)
	e, err := event.Sign(a.key, event.Header{
		Conversation: a.conv, Lane: event.LaneMessage, Log: event.LogID{byte(a.seq>>8) + 1}, Seq: a.seq, Prev: a.prev, Time: event.At(a.at), Kind: kind,
	}, body)
	if err != nil {
		a.t.Fatal(err)
	}
	a.prev = e.ID
	return e
}

func (a *author) says(text string) *event.Event {
	a.t.Helper()
	b, err := event.EncodeText(text)
	if err != nil {
		a.t.Fatal(err)
	}
	return a.writes(event.KindText, b)
}

// amends says something of a text.
func (a *author) amends(kind event.Kind, of event.Amendment) *event.Event {
	a.t.Helper()
	b, err := event.EncodeAmendment(kind, of)
	if err != nil {
		a.t.Fatal(err)
	}
	return a.writes(kind, b)
}

// sample is a conversation with everything in it that could go wrong in a file.
func sample(t testing.TB) *Document {
	t.Helper()
	conv := event.Conversation{7}
	alice := &author{t: t, key: testKey(t, 1), conv: conv, at: time.UnixMilli(1_800_000_000_000)}
	bob := &author{t: t, key: testKey(t, 2), conv: conv, at: time.UnixMilli(1_800_000_000_500)}
	unknown, err := event.EncodeText("of a later version")
	if err != nil {
		t.Fatal(err)
	}
	gone := bob.says("taken back")
	events := []*event.Event{
		alice.says("hello"), bob.says("two\nlines\n  ~ AAAA"), alice.says("/me waves"),
		Retracted(gone), bob.amends(event.KindRetract, event.Amendment{Target: gone.ID}), alice.says("\x1b[2J\u202Eevil\u009b <script>alert(1)</script> </template> &amp; \u2028"),
		bob.writes(9999, unknown), alice.writes(room.KindLeave, nil),
	}
	events = append(events, alice.says("skipped")) // and then left out
	events = append(events[:len(events)-1], alice.says("after what is not here"))
	slices.SortFunc(events, func(a, b *event.Event) int {
		if a.Before(b) {
			return -1
		}
		return 1
	})
	logging := true
	return New(Header{
		Conversation: conv.String(), Kind: "room", Name: "dev </title>\n", Logging: &logging, Exported: time.UnixMilli(1_800_000_009_123), By: alice.key.ID().String(),
		Names: map[string]string{alice.key.ID().String(): "alice"},
	}, events)
}

func render(t testing.TB, d *Document, f Format) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := d.Render(&b, f); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestRoundTrip(t *testing.T) {
	t.Parallel()
	d := sample(t)
	for _, f := range Formats {
		file := render(t, d, f)
		r, err := Check(bytes.NewReader(file))
		if err != nil {
			t.Fatalf("%s: %v\n%s", f, err, file)
		}
		if r.Format != f || r.Events != 9 || r.Authors != 2 || r.Missing != 1 || r.Forks != 0 || r.Bare != 0 || r.Header.By != d.Header.By || r.Header.Exported != d.Header.Exported {
			t.Errorf("%s: %+v", f, r)
		}
		if bytes.Contains(file, []byte("taken back")) {
			t.Errorf("%s shows what was retracted", f)
		}
		for _, r := range string(file) {
			if r == 0x1b || r == 0x9b || f != Lines && (r == 0x202e || r == 0x2028) {
				t.Errorf("%s holds %U", f, r)
			}
		}
	}
	page := string(render(t, d, HTML))
	if !strings.Contains(page, "; the room was logged by") {
		t.Error("the page does not say that the room was logged")
	}
	if strings.Contains(page, "<script") || strings.Count(page, "</template>") != 1 || strings.Count(page, "</title>") != 1 {
		t.Errorf("what people said is not escaped:\n%s", page)
	}
	text := string(render(t, d, Text))
	for _, want := range []string{"Z alice: hello\n", ": two\n  | lines\n  |   ~ AAAA\n", "Z * alice waves\n", ": [retracted]\n", "Z * alice left\n", `alice: \u001b[2J\u202eevil\u009b <script>`} {
		if !strings.Contains(text, want) {
			t.Errorf("the text lacks %q:\n%s", want, text)
		}
	}
}

// TestAmended: what became of a text shows where it was said, and everything that
// was said of it is there to be checked.
func TestAmended(t *testing.T) {
	t.Parallel()
	conv := event.Conversation{7}
	alice := &author{t: t, key: testKey(t, 1), conv: conv, at: time.UnixMilli(1_800_000_000_000)}
	bob := &author{t: t, key: testKey(t, 2), conv: conv, at: time.UnixMilli(1_800_000_000_500)}
	typo, gone := alice.says("helo"), alice.says("a secret")
	reply, err := event.EncodeReply("hi", typo.ID)
	if err != nil {
		t.Fatal(err)
	}
	events := []*event.Event{
		typo, gone, bob.writes(event.KindText, reply),
		alice.amends(event.KindEdit, event.Amendment{Target: typo.ID, Text: "hello"}),
		alice.amends(event.KindRetract, event.Amendment{Target: gone.ID}),
		bob.amends(event.KindReact, event.Amendment{Target: typo.ID, Text: "👍"}),
		bob.amends(event.KindRetract, event.Amendment{Target: event.ID{9}}),
	}
	events[1] = Retracted(gone) // as the store keeps it
	slices.SortFunc(events, func(a, b *event.Event) int { return int(int64(a.Time) - int64(b.Time)) })
	d := New(Header{Conversation: conv.String(), Kind: "direct", Exported: time.UnixMilli(1_800_000_009_123), By: testKey(t, 1).ID().String()}, events)
	for f, want := range map[Format][]string{
		Text:  {": hello (edited) [👍 1]\n", ": [retracted]\n", ": (to the text of 08:00:01) hi\n", " edited the text of 08:00:01: hello\n", " took back the text of 08:00:02\n", " reacted to the text of 08:00:01: 👍\n", " took back a text that is not here\n"},
		Lines: {`"edited":"2027-01-15T08:00:03.000Z"`, `"reply_to":"` + typo.ID.String(), `"reactions":[{"text":"👍","by":["` + bob.key.ID().String(), `"about":"` + gone.ID.String()},
		HTML:  {": hello (edited) [👍 1]<"},
	} {
		file := render(t, d, f)
		if _, err := Check(bytes.NewReader(file)); err != nil {
			t.Errorf("%s: %v", f, err)
		}
		for _, w := range want {
			if !bytes.Contains(file, []byte(w)) {
				t.Errorf("%s lacks %q:\n%s", f, w, file)
			}
		}
		if bytes.Contains(file, []byte("secret")) {
			t.Errorf("%s shows what was retracted", f)
		}
	}
}

// TestBare: whoever takes the text out of a line and leaves the signature, which is
// good without it, does not make others believe that the author took it back.
func TestBare(t *testing.T) {
	t.Parallel()
	d := sample(t)
	for i, e := range d.Events {
		if len(e.Body) == 0 {
			continue
		}
		bare := New(d.Header, slices.Clone(d.Events))
		bare.Events[i] = Retracted(e)
		want := 1
		if e.Kind == event.KindRetract {
			want = 2 // and what it took back
		}
		for _, f := range Formats {
			file := render(t, bare, f)
			r, err := Check(bytes.NewReader(file))
			if err != nil || r.Bare != want {
				t.Errorf("event %d, %s: %d bare, not %d: %v", i, f, r.Bare, want, err)
			}
			if f == Text && bytes.Count(file, []byte("[what was said is not in this file]")) != want {
				t.Errorf("event %d: the text does not say what it lacks:\n%s", i, file)
			}
		}
	}
}

// TestModerated: a text is taken back by who may by the rules of the room, and by
// nobody else, whatever stands in the file.
func TestModerated(t *testing.T) {
	t.Parallel()
	owner := testKey(t, 2)
	at := time.UnixMilli(1_800_000_000_000)
	sign := func(k identity.Key, h event.Header, body []byte) *event.Event {
		at = at.Add(time.Second)
		h.Time = event.At(at)
		e, err := event.Sign(k, h, body)
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	g := room.Genesis{Epoch: room.EpochCommitment([32]byte{1}), Nonce: [32]byte{1}}
	body, err := g.Encode()
	if err != nil {
		t.Fatal(err)
	}
	genesis := sign(owner, event.Header{Lane: event.LaneControl, Kind: room.KindGenesis}, body)
	conv := event.Conversation(genesis.ID)
	rules, err := room.New(genesis)
	if err != nil {
		t.Fatal(err)
	}
	alice := &author{t: t, key: testKey(t, 1), conv: conv, at: at}
	rude, fine := alice.says("a rude word"), alice.says("a fine word")
	at = alice.at
	retracts := func(by identity.Key) *event.Event {
		op := room.Op{Kind: room.KindRetract, Target: rude.Author, Message: rude.ID, Auth: genesis.ID}
		body, err := op.Encode()
		if err != nil {
			t.Fatal(err)
		}
		return sign(by, event.Header{Conversation: conv, Lane: event.LaneControl, Kind: room.KindRetract, Ctl: []event.ID{genesis.ID}}, body)
	}
	drafts, err := rules.Draft(owner.ID(), room.Op{Kind: room.KindRetract, Target: rude.Author, Message: rude.ID})
	if err != nil || len(drafts) != 1 {
		t.Fatal(drafts, err)
	}
	word := sign(owner, event.Header{Conversation: conv, Lane: event.LaneControl, Kind: room.KindRetract, Ctl: drafts[0].Ctl}, drafts[0].Body)
	h := Header{Conversation: conv.String(), Kind: "room", Exported: time.UnixMilli(1_800_000_009_123), By: testKey(t, 1).ID().String()}
	for _, c := range []struct {
		what   string
		events []*event.Event
		bare   int
	}{
		{"the owner", []*event.Event{genesis, Retracted(rude), fine, word}, 0},
		{"of another", []*event.Event{genesis, rude, Retracted(fine), word}, 1},
		{"nobody", []*event.Event{genesis, Retracted(rude), fine}, 1},
		{"a stranger", []*event.Event{genesis, Retracted(rude), fine, retracts(testKey(t, 9))}, 1},
		{"a room that is not here", []*event.Event{Retracted(rude), fine, word}, 1},
	} {
		if r, err := Check(bytes.NewReader(render(t, New(h, c.events), Lines))); err != nil || r.Bare != c.bare {
			t.Errorf("%s: %d bare, not %d: %v", c.what, r.Bare, c.bare, err)
		}
	}
}

// TestOwnWord: one takes back what one said, and nothing of others; what an edit
// said is missed, whatever else its author took back.
func TestOwnWord(t *testing.T) {
	t.Parallel()
	conv := event.Conversation{7}
	alice := &author{t: t, key: testKey(t, 1), conv: conv, at: time.UnixMilli(1_800_000_000_000)}
	deal, oops := alice.says("I owe you 100"), alice.says("oops")
	back := alice.amends(event.KindRetract, event.Amendment{Target: oops.ID})
	edit := alice.amends(event.KindEdit, event.Amendment{Target: deal.ID, Text: "I owe you 1000"})
	mallory := &author{t: t, key: testKey(t, 9), conv: conv, at: alice.at}
	vain := mallory.amends(event.KindRetract, event.Amendment{Target: oops.ID})
	others := mallory.amends(event.KindRetract, event.Amendment{Target: deal.ID})
	h := Header{Conversation: conv.String(), Kind: "direct", Exported: time.UnixMilli(1_800_000_009_123), By: testKey(t, 1).ID().String()}
	for _, c := range []struct {
		what        string
		events      []*event.Event
		bare, edits int
	}{
		{"whole", []*event.Event{deal, Retracted(oops), back, edit}, 0, 0},
		{"another wants it gone, too", []*event.Event{deal, Retracted(oops), back, edit, vain}, 0, 0},
		{"only another does", []*event.Event{Retracted(deal), Retracted(oops), back, vain, others}, 1, 0},
		{"an edit cut", []*event.Event{deal, Retracted(oops), back, Retracted(edit)}, 0, 1},
	} {
		file := render(t, New(h, c.events), Text)
		if r, err := Check(bytes.NewReader(file)); err != nil || r.Bare != c.bare || r.BareEdits != c.edits {
			t.Errorf("%s: %d bare, %d edits, not %d and %d: %v", c.what, r.Bare, r.BareEdits, c.bare, c.edits, err)
		}
		if bytes.Contains(file, []byte(" edited a text: [what")) != (c.edits > 0) {
			t.Errorf("%s:\n%s", c.what, file)
		}
	}
}

// TestAltered: no byte of what was said, or is shown of it, can be changed, taken
// away or added.
func TestAltered(t *testing.T) {
	t.Parallel()
	d := sample(t)
	for _, f := range Formats {
		file := render(t, d, f)
		from := bytes.Index(file, []byte("hello")) - 1 // what is before is the header
		if f == HTML {
			from = bytes.Index(file, []byte("<main>"))
		}
		doc := bytes.Index(file, []byte(docStart)) + len(docStart)
		for i := from; i < len(file); i += 3 {
			if f == HTML && i >= doc && i < doc+600 {
				continue // the header again
			}
			altered := bytes.Clone(file)
			altered[i] ^= 1
			if _, err := Check(bytes.NewReader(altered)); !errors.Is(err, ErrAltered) {
				t.Fatalf("%s, byte %d, %q for %q: %v", f, i, altered[i], file[i], err)
			}
		}
		for _, altered := range [][]byte{file[:len(file)-1], append(bytes.Clone(file), '\n'), file[:from]} {
			if _, err := Check(bytes.NewReader(altered)); !errors.Is(err, ErrAltered) {
				t.Errorf("%s, cut or longer: %v", f, err)
			}
		}
	}
}

// TestWindows: what a way through Windows does to a file is no change of what it says.
func TestWindows(t *testing.T) {
	t.Parallel()
	d := sample(t)
	for _, f := range Formats {
		file := render(t, d, f)
		if bytes.Contains(file, []byte("\r")) {
			t.Fatalf("%s has a carriage return of its own", f)
		}
		crlf := bytes.ReplaceAll(file, []byte("\n"), []byte("\r\n"))
		ways := map[string][]byte{"CRLF": crlf, "UTF-8 with a mark": append([]byte("\xef\xbb\xbf"), file...)}
		for name, order := range map[string]unicode.Endianness{"UTF-16LE": unicode.LittleEndian, "UTF-16BE": unicode.BigEndian} {
			wide, err := unicode.UTF16(order, unicode.UseBOM).NewEncoder().Bytes(crlf)
			if err != nil {
				t.Fatal(err)
			}
			ways[name] = wide
		}
		for name, way := range ways {
			if r, err := Check(bytes.NewReader(way)); err != nil || r.Format != f || r.Events != 9 {
				t.Errorf("%s, %s: %+v, %v", f, name, r, err)
			}
		}
		if _, err := Check(bytes.NewReader(bytes.Replace(file, []byte("\n"), []byte("\r"), 1))); err == nil {
			t.Errorf("%s: a carriage return alone is taken for the end of a line", f)
		}
		wide := ways["UTF-16LE"]
		at := bytes.Index(wide, []byte("h\x00e\x00l\x00l\x00o"))
		if f == HTML {
			at = bytes.LastIndex(wide, []byte("h\x00e\x00l\x00l\x00o"))
		}
		wide[at] = '?'
		if _, err := Check(bytes.NewReader(wide)); !errors.Is(err, ErrAltered) || !strings.Contains(err.Error(), "UTF-16") {
			t.Errorf("%s, letters changed on the way to UTF-16: %v", f, err)
		}
	}
}

// TestExporter: who exported a file is in his word, but he is somebody.
func TestExporter(t *testing.T) {
	t.Parallel()
	d := sample(t)
	for _, by := range []string{"", "alice", d.Header.By[1:], d.Header.By + "x"} {
		d.Header.By = by
		if _, err := Check(bytes.NewReader(render(t, d, Lines))); !errors.Is(err, ErrAltered) || !strings.Contains(err.Error(), "no peer ID") {
			t.Errorf("exported by %q: %v", by, err)
		}
	}
}

// endless gives what it is over and over.
type endless struct {
	what string
	read int
}

func (e *endless) Read(p []byte) (int, error) {
	n := copy(p, strings.Repeat(e.what, len(p)/len(e.what)+1))
	e.read += n
	return n, nil
}

// TestForeign: what is no export is not called altered, and is not read to an end
// that may never come.
func TestForeign(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		begin, more string
		most        int // bytes that may be read
	}{
		"nothing":      {},
		"a word":       {begin: "hello"},
		"zeros":        {more: "\x00", most: 1 << 16},
		"text":         {begin: title + "\n", more: "x", most: 2 * maxLine},
		"JSON":         {more: "{", most: 2 * maxLine},
		"a page":       {begin: page + "\n<p>", more: "x", most: 2 * maxLine},
		"another page": {more: "<html>\n", most: 1 << 16},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var in io.Reader = strings.NewReader(c.begin)
			more := &endless{what: c.more}
			if c.more != "" {
				in = io.MultiReader(in, more)
			}
			if _, err := Check(in); !errors.Is(err, ErrForeign) || errors.Is(err, ErrAltered) {
				t.Errorf("got %v", err)
			}
			if more.read > c.most {
				t.Errorf("%d bytes were read", more.read)
			}
		})
	}
}

// TestContradictions: events that are good each, and not together.
func TestContradictions(t *testing.T) {
	t.Parallel()
	d := sample(t)
	with := func(change func(*Document)) *Document {
		c := New(d.Header, slices.Clone(d.Events))
		change(c)
		return c
	}
	other := &author{t: t, key: testKey(t, 1), conv: event.Conversation{8}, at: time.UnixMilli(1_800_000_100_000)}
	broken := &author{t: t, key: testKey(t, 1), conv: event.Conversation{7}, at: time.UnixMilli(1_800_000_100_000), seq: 6, prev: event.ID{1}}
	forged := *d.Events[0]
	forged.Signature = bytes.Clone(forged.Signature)
	forged.Signature[3] ^= 1
	for what, c := range map[string]*Document{
		"twice":                   with(func(c *Document) { c.Events = append(c.Events, c.Events[len(c.Events)-1]) }),
		"another order":           with(func(c *Document) { c.Events[0], c.Events[1] = c.Events[1], c.Events[0] }),
		"another conversation":    with(func(c *Document) { c.Events = append(c.Events, other.says("x")) }),
		"a predecessor that lies": with(func(c *Document) { c.Events = append(c.Events, broken.says("x")) }),
		"a signature":             with(func(c *Document) { c.Events[0] = &forged }),
		"a later version":         with(func(c *Document) { c.Header.Version = 2 }),
	} {
		if _, err := c.Verify(); err == nil {
			t.Errorf("%s: goes through", what)
		}
		for _, f := range Formats {
			if _, err := Check(bytes.NewReader(render(t, c, f))); !errors.Is(err, ErrAltered) {
				t.Errorf("%s as %s: %v", what, f, err)
			}
		}
	}
	fork := &author{t: t, key: testKey(t, 1), conv: event.Conversation{7}, at: time.UnixMilli(1_800_000_100_000), seq: 5, prev: event.ID{1}}
	if r, err := with(func(c *Document) { c.Events = append(c.Events, fork.says("x")) }).Verify(); err != nil || r.Forks != 1 {
		t.Errorf("a fork: %+v, %v", r, err)
	}
}

func FuzzParse(f *testing.F) {
	d := sample(f)
	for _, form := range Formats {
		f.Add(render(f, d, form))
	}
	f.Add([]byte(title + "\n{}\n\n" + proof + base64.StdEncoding.EncodeToString([]byte{1}) + "\n"))
	f.Fuzz(func(t *testing.T, file []byte) {
		r, err := Check(bytes.NewReader(file))
		if err == nil && !slices.Contains(Formats, r.Format) {
			t.Errorf("%+v", r)
		}
	})
}
