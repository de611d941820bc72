package term

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxMarks is how many combining marks in a row are shown on one letter; more
// would run over the lines above and below. Real text needs up to four.
const maxMarks = 8

// Clean makes s harmless as one line or field: whatever could move the cursor,
// change the terminal, reorder the line, or hide, is replaced by something
// visible. Controls become their pictures (ESC is ␛), line separators ␤, bidi
// controls, invisible characters and invalid UTF-8 become U+FFFD. Printable
// text is unchanged; Clean(Clean(s)) == Clean(s).
func Clean(s string) string { return clean(s, false) }

// CleanText is [Clean] for text of several lines: line ends of every kind
// become "\n", and a tab becomes four spaces.
func CleanText(s string) string { return clean(s, true) }

func clean(s string, lines bool) string {
	if isPlain(s) {
		return s
	}
	var b strings.Builder
	b.Grow(len(s) + len(s)/8)
	prev := '\n' // the last rune written, '\n' at the start of a line
	marks := 0
	put := func(r rune) {
		b.WriteRune(r)
		prev = r
	}
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		rest := s[i+size:]
		i += size
		if isMark(r) {
			marks++
		} else {
			marks = 0
		}
		switch {
		case r == utf8.RuneError: // invalid bytes, or U+FFFD itself
			put(utf8.RuneError)
		case lines && r == '\r' && strings.HasPrefix(rest, "\n"):
			// the line feed that follows says it
		case lines && (r == '\n' || isLineEnd(r)):
			put('\n')
		case lines && r == '\t':
			b.WriteString("    ")
			prev = ' '
		case r < 0x20:
			put(0x2400 + r)
		case r == 0x7f:
			put(0x2421)
		case isLineEnd(r):
			put(0x2424)
		case isJoiner(r):
			next, _ := utf8.DecodeRuneInString(rest)
			if joins(r, prev, next) {
				put(r)
			} else {
				put(utf8.RuneError)
			}
		case isSelector(r):
			if selects(r, prev) {
				put(r)
			} else {
				put(utf8.RuneError)
			}
		case isHidden(r):
			put(utf8.RuneError)
		case marks > maxMarks:
			if marks == maxMarks+1 {
				put(utf8.RuneError)
			}
		case marks > 0 && prev == '\n':
			put('◌') // nothing of ours may be what it combines with
			put(r)
		default:
			put(r)
		}
	}
	return b.String()
}

// isPlain tells whether s is printable ASCII.
func isPlain(s string) bool {
	for i := range len(s) {
		if s[i] < 0x20 || s[i] > 0x7e {
			return false
		}
	}
	return true
}

// isLineEnd tells whether r ends a line though it is no control of ASCII.
func isLineEnd(r rune) bool { return r == 0x85 || r == 0x2028 || r == 0x2029 }

func isMark(r rune) bool { return unicode.In(r, unicode.Mn, unicode.Me) }

func isJoiner(r rune) bool { return r == 0x200c || r == 0x200d }

// joins tells whether a zero-width joiner or non-joiner does its proper work
// between prev and next: inside an emoji, or between letters of a script whose
// letters change shape with it. Anywhere else it only makes two different
// strings look the same.
func joins(r, prev, next rune) bool {
	if r == 0x200d && (unicode.In(prev, unicode.So, unicode.Sk) || prev == 0xfe0f) && unicode.Is(unicode.So, next) {
		return true
	}
	return isJoining(prev) && isJoining(next) && unicode.IsLetter(next)
}

func isJoining(r rune) bool {
	return unicode.In(r, unicode.Arabic, unicode.Syriac, unicode.Mongolian, unicode.Nko,
		unicode.Devanagari, unicode.Bengali, unicode.Gurmukhi, unicode.Gujarati, unicode.Oriya,
		unicode.Tamil, unicode.Telugu, unicode.Kannada, unicode.Malayalam, unicode.Sinhala,
		unicode.Khmer, unicode.Myanmar, unicode.Tibetan)
}

// isSelector tells whether r is a variation selector.
func isSelector(r rune) bool {
	return r >= 0xfe00 && r <= 0xfe0f || r >= 0xe0100 && r <= 0xe01ef || r >= 0x180b && r <= 0x180f
}

// selects tells whether variation selector r can do something visible to prev:
// text or emoji form of a symbol, digit or punctuation mark, or the form of an
// ideograph.
func selects(r, prev rune) bool {
	switch {
	case r == 0xfe0e || r == 0xfe0f:
		return unicode.In(prev, unicode.So, unicode.Sm, unicode.Po, unicode.Nd) && prev != utf8.RuneError
	case r >= 0xe0100:
		return unicode.Is(unicode.Han, prev)
	}
	return false
}

// isHidden tells whether r is a control, a format character (bidi overrides
// and isolates, zero-width characters, tags) or a letter that draws nothing.
func isHidden(r rune) bool {
	switch r {
	case 0x034f, 0x115f, 0x1160, 0x17b4, 0x17b5, 0x3164, 0xffa0, 0x2800:
		return true
	}
	return unicode.In(r, unicode.Cc, unicode.Cf) || r >= 0xe0000 && r <= 0xe0fff
}
