package term

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestClean(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, in, line, text string }{
		{"plain", "Hi! server, need help", "", ""},
		{"letters", "Žluťoučký kůň 你好 नमस्ते שלום", "", ""},
		{"emoji", "👩\u200d👩\u200d👧 ❤\ufe0f 1\ufe0f⃣ 👍🏽 🏳\ufe0f\u200d🌈", "", ""},
		{"joiners in Persian and Hindi", "می\u200cخواهم क्\u200dष", "", ""},
		{"ideograph variant", "葛\U000E0100", "", ""},
		{"escape sequence", "\x1b[2J\x1b]0;title\x07", "␛[2J␛]0;title␇", "␛[2J␛]0;title␇"},
		{"C1 CSI", "a\u009b31mb", "a\ufffd31mb", "a\ufffd31mb"},
		{"NUL, BS, DEL", "a\x00b\x08c\x7f", "a␀b␈c␡", "a␀b␈c␡"},
		{"line ends", "a\nb\r\nc\u0085d\u2028e\u2029f", "a␊b␍␊c␤d␤e␤f", "a\nb\nc\nd\ne\nf"},
		{"lone carriage return", "safe\rEVIL", "safe␍EVIL", "safe␍EVIL"},
		{"tab", "a\tb", "a␉b", "a    b"},
		{"bidi override", "file\u202egnp.exe\u202c", "file\ufffdgnp.exe\ufffd", "file\ufffdgnp.exe\ufffd"},
		{"bidi isolates and marks", "\u2066a\u2069\u200f\u061c", "\ufffda\ufffd\ufffd\ufffd", "\ufffda\ufffd\ufffd\ufffd"},
		{"zero width in a name", "ali\u200bce a\u200cb x\u200dy\ufeff\u2060", "ali\ufffdce a\ufffdb x\ufffdy\ufffd\ufffd", "ali\ufffdce a\ufffdb x\ufffdy\ufffd\ufffd"},
		{"soft hyphen, grapheme joiner", "a\u00adb\u034fc", "a\ufffdb\ufffdc", "a\ufffdb\ufffdc"},
		{"tags", "a\U000E0041\U000E007F", "a\ufffd\ufffd", "a\ufffd\ufffd"},
		{"selector on a letter", "a\ufe0fb\ufe01", "a\ufffdb\ufffd", "a\ufffdb\ufffd"},
		{"blank letters", "\u3164\u115f\uffa0", "\ufffd\ufffd\ufffd", "\ufffd\ufffd\ufffd"},
		{"invalid UTF-8", "caf\xe9 \xff\xc0\x80", "caf\ufffd \ufffd\ufffd\ufffd", "caf\ufffd \ufffd\ufffd\ufffd"},
		{"surrogate half", "\xed\xa0\x80", "\ufffd\ufffd\ufffd", "\ufffd\ufffd\ufffd"},
		{"mark at the start", "\u0301a", "◌\u0301a", "◌\u0301a"},
		{"mark after a line end", "a\n\u0301", "a␊\u0301", "a\n◌\u0301"},
		{"marks without end", "Z" + strings.Repeat("\u0335", 100) + "x", "Z" + strings.Repeat("\u0335", maxMarks) + "\ufffdx", "Z" + strings.Repeat("\u0335", maxMarks) + "\ufffdx"},
	} {
		if c.line == "" {
			c.line, c.text = c.in, c.in
		}
		if got := Clean(c.in); got != c.line {
			t.Errorf("%s: Clean(%q) = %q, want %q", c.name, c.in, got, c.line)
		}
		if got := CleanText(c.in); got != c.text {
			t.Errorf("%s: CleanText(%q) = %q, want %q", c.name, c.in, got, c.text)
		}
	}
}

// dangerous tells whether r may not reach a terminal wherever it stands.
func dangerous(r rune) bool {
	return unicode.Is(unicode.Cc, r) || r == 0x2028 || r == 0x2029 ||
		unicode.Is(unicode.Bidi_Control, r) || r == 0x200b || r == 0xfeff ||
		r >= 0xe0000 && r <= 0xe00ff
}

func FuzzClean(f *testing.F) {
	for _, s := range []string{"", "plain", "\x1b[31m\n", "a\u202eb\u0301\u0301", "👩\u200d👩\u200d👧", "\xff\xfe", "\r\n\r\t", "❤\ufe0f\u200d🔥", "\u0301\u200d\ufe0f"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for name, clean := range map[string]func(string) string{"Clean": Clean, "CleanText": CleanText} {
			got := clean(s)
			if !utf8.ValidString(got) {
				t.Fatalf("%s(%q) = %q is not valid UTF-8", name, s, got)
			}
			for _, r := range got {
				if dangerous(r) && (name != "CleanText" || r != '\n') {
					t.Fatalf("%s(%q) = %q holds %U", name, s, got, r)
				}
			}
			if again := clean(got); again != got {
				t.Fatalf("%s is not idempotent: %q, then %q, then %q", name, s, got, again)
			}
			// What Clean leaves is as wide as it says: nothing in it is taken
			// for a control sequence.
			if len(got) > 0 && Width(got) == 0 && strings.Trim(got, "\n") != "" {
				t.Fatalf("%s(%q) = %q cannot be seen", name, s, got)
			}
		}
	})
}

func TestWidths(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]int{"": 0, "abc": 3, "你好": 4, "é": 1, "e\u0301": 1, "👩\u200d👩\u200d👧": 2, "␛": 1} {
		if got := Width(s); got != want {
			t.Errorf("Width(%q) = %d, want %d", s, got, want)
		}
	}
	if got := Truncate("你好世界", 5); got != "你好…" {
		t.Errorf("Truncate: %q", got)
	}
	if got := Truncate("ab", 2); got != "ab" {
		t.Errorf("Truncate: %q", got)
	}
	if got := Pad("你", 4); got != "你  " {
		t.Errorf("Pad: %q", got)
	}
	if got := Pad("abcde", 4); got != "abcde" {
		t.Errorf("Pad: %q", got)
	}
}
