package api

import (
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// SearchQuery asks for messages of all conversations.
type SearchQuery struct {
	// Words is what a person typed, see [ParseSearch].
	Words string `json:"words"`
	// Last is the number of newest messages wanted, 0 for all.
	Last int `json:"last"`
}

// Limits on what is searched for.
const (
	MaxSearch      = 1 << 10 // bytes
	maxSearchTerms = 64
	// minPrefix letters begin at most so many words that they can be looked up.
	minPrefix = 3
)

// Search is what is searched for: messages with all of Terms, in any writing of
// case and accents.
type Search struct {
	Terms         []Term
	From          string    // WHO said it, "" for anybody; also oneself
	In            string    // TARGET it was said in, "" for any
	After, Before time.Time // not older than; older than; zero for no bound
}

// Term is a word, or words that follow each other. Where people put no spaces
// between words, as in Chinese, Japanese and Thai, every character is a word.
type Term struct {
	Text string
	// Prefix: of the last word this is only the beginning.
	Prefix bool
}

// ParseSearch reads what a person types to find something:
//
//	word          a whole word
//	word*         words that begin so, from three letters on
//	"some words"  in a row; a quote that is not closed holds to the end
//	from:NAME     said by NAME, also from:"NAME WITH SPACES"
//	in:TARGET     in that room, or between that person and oneself
//	before:TIME   before that date or time, or longer ago than a duration
//	after:TIME    since then
//
// What else looks like an operator are words. Errors: usage, too-long.
func ParseSearch(words string, now time.Time) (Search, error) {
	var s Search
	if len(words) > MaxSearch {
		return s, Errorf(CodeTooLong, "what is searched for is %d bytes long, the limit is %d", len(words), MaxSearch)
	}
	if !utf8.ValidString(words) {
		return s, Errorf(CodeBadText, "what is searched for is not valid UTF-8")
	}
	for rest := strings.TrimLeftFunc(words, unicode.IsSpace); rest != ""; rest = strings.TrimLeftFunc(rest, unicode.IsSpace) {
		var err error
		if rest, err = s.take(rest, now); err != nil {
			return s, err
		}
	}
	if len(s.Terms) > maxSearchTerms {
		return s, Errorf(CodeTooLong, "%d words are searched for, the limit is %d", len(s.Terms), maxSearchTerms)
	}
	if len(s.Terms) == 0 && s.From == "" && s.In == "" {
		return s, Errorf(CodeUsage, "nothing is searched for: give a word, from:NAME or in:TARGET (pictures and punctuation are no words)")
	}
	return s, nil
}

// take reads one part of what was typed, and returns the rest.
func (s *Search) take(words string, now time.Time) (rest string, err error) {
	for key, set := range map[string]func(value string) error{
		"from:":   func(v string) error { return once(&s.From, "from:", v) },
		"in:":     func(v string) error { return once(&s.In, "in:", v) },
		"before:": func(v string) (err error) { s.Before, err = bound("before:", v, now); return err },
		"after:":  func(v string) (err error) { s.After, err = bound("after:", v, now); return err },
	} {
		if len(words) >= len(key) && strings.EqualFold(words[:len(key)], key) {
			value, _, rest := next(words[len(key):])
			return rest, set(value)
		}
	}
	text, quoted, rest := next(words)
	t := Term{Text: text}
	if begin, ok := strings.CutSuffix(text, "*"); ok && !quoted {
		t.Text = begin
		if all := tokens(begin); len(all) > 0 && !all[len(all)-1].alone {
			if last := all[len(all)-1]; utf8.RuneCountInString(last.text) < minPrefix {
				return rest, Errorf(CodeUsage, "%q: at least %d letters stand before *", text, minPrefix)
			}
			t.Prefix = true
		}
	}
	if len(tokens(t.Text)) > 0 { // of a dash or a picture nothing can be found
		s.Terms = append(s.Terms, t)
	}
	return rest, nil
}

// next cuts a word, or what is quoted, off the beginning.
func next(words string) (text string, quoted bool, rest string) {
	if inside, ok := strings.CutPrefix(words, `"`); ok {
		text, rest, _ = strings.Cut(inside, `"`)
		return text, true, rest
	}
	if i := strings.IndexFunc(words, unicode.IsSpace); i >= 0 {
		return words[:i], false, words[i:]
	}
	return words, false, ""
}

func once(field *string, key, value string) error {
	switch {
	case value == "":
		return Errorf(CodeUsage, "a name must follow %s", key)
	case *field != "":
		return Errorf(CodeUsage, "%s can be given once", key)
	}
	*field = value
	return nil
}

func bound(key, value string, now time.Time) (time.Time, error) {
	t, err := ParseTime(value, now)
	if err != nil {
		return t, Errorf(CodeUsage, "%s%w", key, err)
	}
	return t, nil
}

// Spans says where in text, in bytes, the terms stand: ascending and apart from
// each other, also if not all of them are there.
func (s Search) Spans(text string) [][2]int {
	in := tokens(text)
	marked := make([]bool, len(in))
	for _, t := range s.Terms {
		of := tokens(t.Text)
		for i := range in {
			if t.at(of, in[i:]) {
				for j := range of {
					marked[i+j] = true
				}
			}
		}
	}
	var out [][2]int
	for i, w := range in {
		switch {
		case !marked[i]:
		case i > 0 && marked[i-1] && w.from == in[i-1].to:
			out[len(out)-1][1] = w.to
		default:
			out = append(out, [2]int{w.from, w.to})
		}
	}
	return out
}

// In tells whether text has t in it.
func (t Term) In(text string) bool {
	of, in := tokens(t.Text), tokens(text)
	for i := range in {
		if t.at(of, in[i:]) {
			return true
		}
	}
	return false
}

// at tells whether in begins with t, whose tokens are of.
func (t Term) at(of, in []token) bool {
	if len(of) == 0 || len(of) > len(in) {
		return false
	}
	for i, w := range of {
		if in[i].text != w.text && (!t.Prefix || i < len(of)-1 || !strings.HasPrefix(in[i].text, w.text)) {
			return false
		}
	}
	return true
}

// token is a word of a text without case and accents.
type token struct {
	text     string
	from, to int  // bytes of the text
	alone    bool // one character of a script without spaces
}

// tokens are the words of text as the index of a node has them too.
func tokens(text string) []token {
	if !strings.ContainsFunc(text, func(r rune) bool { return r >= utf8.RuneSelf }) {
		return plainTokens(text)
	}
	var out []token
	open := false
	for i := 0; i < len(text); {
		_, size := utf8.DecodeRuneInString(text[i:])
		end := i + size
		for end < len(text) {
			next, size := utf8.DecodeRuneInString(text[end:])
			if !isMark(next) {
				break
			}
			end += size
		}
		r, _ := utf8.DecodeRuneInString(norm.NFKC.String(text[i:end]))
		word := unicode.IsLetter(r) || unicode.IsNumber(r)
		alone := word && r > 0xffff || unicode.In(r, unspaced...)
		switch {
		case !alone && !word:
			open = false
		case open && !alone:
			out[len(out)-1].text += fold(text[i:end])
			out[len(out)-1].to = end
		default:
			out = append(out, token{fold(text[i:end]), i, end, alone})
			open = !alone
		}
		i = end
	}
	return out
}

// plainTokens is tokens for ASCII, which most texts are, at a hundredth of the cost.
func plainTokens(text string) []token {
	var out []token
	lower := strings.ToLower(text)
	open := false
	for i := range len(lower) {
		switch c := lower[i]; {
		case (c < 'a' || c > 'z') && (c < '0' || c > '9'):
			open = false
		case open:
			last := &out[len(out)-1]
			last.to = i + 1
			last.text = lower[last.from:last.to]
		default:
			out = append(out, token{lower[i : i+1], i, i + 1, false})
			open = true
		}
	}
	return out
}

// isMark tells whether r belongs to the character before it: so do the two marks
// of half-width Katakana.
func isMark(r rune) bool { return r == '\uff9e' || r == '\uff9f' || unicode.Is(unicode.M, r) }

// unspaced are the scripts without spaces between words, and Hangul, where what
// is said of a word is written onto it.
var unspaced = []*unicode.RangeTable{
	unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Hangul, unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar,
}

// fold is a character without case and, if it is a Latin letter, accents.
func fold(character string) string {
	if len(character) == 1 {
		return strings.ToLower(character)
	}
	if apart := norm.NFKD.String(character); apart[0] < utf8.RuneSelf {
		return strings.ToLower(strings.Map(func(r rune) rune {
			if unicode.Is(unicode.Mn, r) {
				return -1
			}
			return r
		}, apart))
	}
	return strings.ToLower(norm.NFKC.String(character))
}
