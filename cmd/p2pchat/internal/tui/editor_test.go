package tui

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/charmbracelet/x/ansi"
	"pgregory.net/rapid"
)

// at makes a draft of text with the cursor at the bar.
func at(text string) draft {
	i := strings.IndexByte(text, '|')
	return draft{text: text[:i] + text[i+1:], cursor: i, column: -1}
}

func (d draft) shown() string { return d.text[:d.cursor] + "|" + d.text[d.cursor:] }

func TestEditorKeys(t *testing.T) {
	for _, c := range []struct{ from, key, to string }{
		{"ab|", "left", "a|b"},
		{"|ab", "left", "|ab"},
		{"a|b", "right", "ab|"},
		{"ab|", "right", "ab|"},
		{"x👨‍👩‍👧|", "left", "x|👨‍👩‍👧"},
		{"x👨‍👩‍👧|", "backspace", "x|"},
		{"x|e\u0301y", "delete", "x|y"},
		{"🇩🇪🇫🇷|", "backspace", "🇩🇪|"},
		{"one two|", "ctrl+w", "one |"},
		{"one two  |x", "ctrl+w", "one |x"},
		{"one two\u3000|", "ctrl+w", "one |"},
		{"eins\u3000zwei|", "ctrl+left", "eins\u3000|zwei"},
		{"|one two", "ctrl+right", "one| two"},
		{"one| two", "ctrl+right", "one two|"},
		{"one |two three", "alt+d", "one | three"},
		{"a\nbc|d\ne", "home", "a\n|bcd\ne"},
		{"a\nbc|d\ne", "end", "a\nbcd|\ne"},
		{"a\nbc|d\ne", "ctrl+u", "a\n|d\ne"},
		{"a\nbc|d\ne", "ctrl+k", "a\nbc|\ne"},
		{"ab|", "ctrl+j", "ab\n|"},
		{"abcd\nxy|", "up", "ab|cd\nxy"},
		{"ab|cd\nxy", "down", "abcd\nxy|"},
		// wrapped after ten columns: "0123456789" "abc"
		{"0123456789abc|", "up", "012|3456789abc"},
		{"012|3456789abc", "down", "0123456789abc|"},
		{"word word word|", "up", "word| word word"},
		{"日本語日本語日本|", "up", "日本語|日本語日本"},
	} {
		t.Run(c.from+" "+c.key, func(t *testing.T) {
			t.Parallel()
			d := at(c.from)
			var in input
			if !in.edit(&d, ansi.GraphemeWidth, 10, keyMsg(c.key)) {
				t.Fatal("not a key of the editor")
			}
			if got := d.shown(); got != c.to {
				t.Errorf("got %q, want %q", got, c.to)
			}
		})
	}
}

func TestYank(t *testing.T) {
	t.Parallel()
	var in input
	d := at("one two|")
	for _, k := range []string{"ctrl+w", "home", "ctrl+y"} {
		in.edit(&d, ansi.WcWidth, 80, keyMsg(k))
	}
	if got := d.shown(); got != "two|one " {
		t.Errorf("got %q", got)
	}
}

func TestTypeable(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"a\r\nb\rc\n":          "a\nb\nc\n",
		"\x1b[31mred\x07\x00":  "[31mred",
		"tab\tstays":           "tab\tstays",
		"x\u202ey\u200bz\x9bq": "xyzq",
		"sep\u2028here":        "sep\nhere",
		"👨\u200d👩":             "👨\u200d👩",
		"bad\xff":              "bad",
	} {
		if got := typeable(in); got != want {
			t.Errorf("typeable(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestHistory(t *testing.T) {
	t.Parallel()
	var in input
	for i := range maxHistory + 10 {
		in.remember(strings.Repeat("x", i+1))
		in.remember(strings.Repeat("x", i+1)) // the same again is kept once
	}
	if len(in.history) != maxHistory || len(in.history[0]) != 11 {
		t.Errorf("%d lines, the oldest of %d bytes", len(in.history), len(in.history[0]))
	}
}

// somePieces are what texts of tests are made of: what a person may type and
// what may go wrong with it.
var somePieces = []string{
	"a", "word", " ", "  ", "\t", "\n", "日", "ｗ", "é", "e\u0301", "\u0301", "👍🏽", "👨‍👩‍👧‍👦", "\u200d", "\ufe0f", "☺\ufe0f", "🇩", "🇩🇪",
	"नमस्ते", "שלום", "\u0600", "\u0d4e", "ᄀ", "각", "\u3000", "\u00a0", "…", "●", "~", "-", "\u0e33", "#️⃣", strings.Repeat("x", 90),
}

func someText() *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		return strings.Join(rapid.SliceOfN(rapid.SampledFrom(somePieces), 0, 30).Draw(t, "pieces"), "")
	})
}

func someMeasure() *rapid.Generator[measure] {
	return rapid.SampledFrom([]measure{ansi.WcWidth, ansi.GraphemeWidth})
}

// Wrapping loses nothing but the spaces and newlines at breaks, and no row is
// wider than asked for unless a single cluster is.
func TestWrap(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		mw, text, width := someMeasure().Draw(t, "measure"), someText().Draw(t, "text"), rapid.IntRange(1, 40).Draw(t, "width")
		gs := glyphs(mw, text)
		n := 0
		for _, g := range gs {
			n += g.n
		}
		if n != len(text) {
			t.Fatalf("the glyphs stand for %d bytes of %d", n, len(text))
		}
		next := 0
		for _, r := range wrap(gs, width) {
			if r.from < next || r.to < r.from {
				t.Fatalf("row %v after %d", r, next)
			}
			for _, g := range gs[next:r.from] {
				if !g.nl {
					t.Fatalf("%q is in no row", g.s)
				}
			}
			next = r.to
			w := 0
			for _, g := range trimSpaces(gs[r.from:r.to]) {
				w += g.w
			}
			if w > width && len(trimSpaces(gs[r.from:r.to])) > 1 {
				t.Fatalf("row %q is %d columns wide, of %d", r.text(gs, 1000), w, width)
			}
			if got := mw.StringWidth(r.text(gs, width)); got > width {
				t.Fatalf("row shown in %d columns of %d", got, width)
			}
		}
		if next != len(gs) {
			t.Fatalf("%d glyphs of %d are in rows", next, len(gs))
		}
	})
}

func trimSpaces(gs []glyph) []glyph {
	for len(gs) > 0 && gs[len(gs)-1].space {
		gs = gs[:len(gs)-1]
	}
	return gs
}

func TestFit(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		mw, width := someMeasure().Draw(t, "measure"), rapid.IntRange(0, 50).Draw(t, "width")
		text := strings.NewReplacer("\n", "", "\t", "").Replace(someText().Draw(t, "text"))
		if got := mw.StringWidth(fit(mw, text, width)); got != width {
			t.Fatalf("fit(%q, %d) is %d columns wide", text, width, got)
		}
	})
}

// Whatever keys are pressed, the text stays valid, the cursor stays in it and
// on the screen.
func TestEditorHolds(t *testing.T) {
	t.Parallel()
	names := []string{
		"left", "right", "up", "down", "home", "end", "backspace", "delete", "ctrl+left", "ctrl+right",
		"ctrl+w", "alt+d", "ctrl+u", "ctrl+k", "ctrl+y", "ctrl+j",
	}
	rapid.Check(t, func(t *rapid.T) {
		mw, width, rows := someMeasure().Draw(t, "measure"), rapid.IntRange(1, 30).Draw(t, "width"), rapid.IntRange(1, 6).Draw(t, "rows")
		d, in := draft{column: -1}, input{}
		in.remember("earlier")
		t.Repeat(map[string]func(*rapid.T){
			"type": func(t *rapid.T) { d.insert(someText().Draw(t, "text")) },
			"key": func(t *rapid.T) {
				in.edit(&d, mw, width, keyMsg(rapid.SampledFrom(names).Draw(t, "key")))
			},
			"": func(t *rapid.T) {
				if !utf8.ValidString(d.text) || d.cursor < 0 || d.cursor > len(d.text) || !utf8.ValidString(d.text[:d.cursor]) {
					t.Fatalf("cursor %d in %q", d.cursor, d.text)
				}
				view, x, y := in.view(&d, mw, newStyles(true, true), ">", "hint", width+4, rows)
				if len(view) != rows || x < 0 || x >= width+4 || y < 0 || y >= rows {
					t.Fatalf("cursor at %d,%d of %dx%d", x, y, width+4, len(view))
				}
				for _, r := range view {
					if mw.StringWidth(r) > width+4 {
						t.Fatalf("row %q is %d columns wide, of %d", r, mw.StringWidth(r), width+4)
					}
				}
			},
		})
	})
}
