package store

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"p2pchat/protocol/event"
	"p2pchat/protocol/room"
)

// The index is made of the events, behind their arrival: the writer adds what is
// new when it has been waiting for indexAfter, a slice at a time, so that what is
// said meanwhile waits for one slice at most.
const indexSlice = 200

// searchable is the text by which an event of this kind with this body is found:
// the one place that says so. What is not to be found has none. Of a text and its
// edits all are in the index, and which counts is looked up when one is found.
func searchable(kind event.Kind, body []byte) string {
	switch kind {
	case event.KindText:
		if s, err := event.DecodeText(body); err == nil {
			return strings.TrimPrefix(s, "/me ")
		}
	case event.KindEdit:
		if a, err := event.DecodeAmendment(kind, body); err == nil {
			return strings.TrimPrefix(a.Text, "/me ")
		}
	case room.KindPrivate:
		if b, err := room.DecodeBody(kind, body); err == nil {
			return b.(*room.Private).Text
		}
	}
	return ""
}

// tag begins the two words of each row that no text has: the conversation's and
// the author's integer. SQLite takes the private-use characters for letters.
const tag = '\ue000'

func convTag(n int64) string   { return fmt.Sprintf("%cc%d", tag, n) }
func authorTag(n int64) string { return fmt.Sprintf("%ca%d", tag, n) }

// words is text as SQLite's tokenizer is to have it. Where people put no spaces
// between words each character is a word, so that any run of them can be found.
func words(text string) string {
	if !strings.ContainsFunc(text, func(r rune) bool { return r >= utf8.RuneSelf || r == 0 || r == '"' }) {
		return text
	}
	var b strings.Builder
	for _, r := range norm.NFKC.String(text) {
		switch {
		case r == 0 || r == '"' || r == tag,
			r > 0xffff && !unicode.IsLetter(r) && !unicode.IsNumber(r): // of such SQLite keeps those that are younger than its tables
			b.WriteByte(' ')
		case r > 0xffff || unicode.In(r, unspaced...):
			b.WriteByte(' ')
			b.WriteRune(r)
			b.WriteByte(' ')
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// unspaced are the scripts without spaces between words, and Hangul, where what
// is said of a word is written onto it.
var unspaced = []*unicode.RangeTable{
	unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Hangul, unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar,
}

// rowBits of a row's number are the event's n: the order of rows is that of seconds.
const rowBits = 31

// row is the number in the index of event n, whose time is as in the file.
func row(time, n int64) int64 { return firstRow(clockOut(time)) | n }

// firstRow and lastRow bound the rows of the second of t.
func firstRow(t event.Time) int64 { return seconds(t) << rowBits }
func lastRow(t event.Time) int64  { return (seconds(t)+1)<<rowBits - 1 }

// seconds of what a clock claims to show; beyond 2106 all are alike.
func seconds(t event.Time) int64 { return min(max(t.Wall().Unix(), 0), 1<<32-1) }

// document is an event as the index takes it.
type document struct {
	row  int64
	text string
}

const documentColumns = `e.n, e.time, e.conv, e.author, e.kind, e.body`

// scanDocument reads documentColumns; the document has no text if the event is
// not to be found.
func scanDocument(scan func(...any) error) (d document, n int64, err error) {
	var t, conv, author, kind int64
	var body []byte
	err = scan(&n, &t, &conv, &author, &kind, &body)
	d.row = row(t, n)
	if said := searchable(event.Kind(kind), body); said != "" {
		d.text = convTag(conv) + " " + authorTag(author) + " " + words(said)
	}
	return d, n, err
}

// documents gives what events after n add to the index, at most limit of them,
// and the last event looked at.
func (r *Reader) documents(n int64, limit int) (out []document, last int64, err error) {
	last = n
	err = r.rows(`SELECT `+documentColumns+` FROM event e WHERE e.n > ? ORDER BY e.n LIMIT ?`, []any{n, limit}, func(scan func(...any) error) (bool, error) {
		d, n, err := scanDocument(scan)
		last = n
		if d.text != "" {
			out = append(out, d)
		}
		return true, err
	})
	// FTS5 writes a segment each time that it is not given ascending rows.
	slices.SortFunc(out, func(a, b document) int { return int(min(max(a.row-b.row, -1), 1)) })
	return out, last, err
}

// indexedTo is the last event in the index, and the last there is.
func (r *Reader) indexedTo() (indexed, last int64, err error) {
	err = r.row(`SELECT i.n, ifnull((SELECT max(n) FROM event), 0) FROM indexed i`, nil, &indexed, &last)
	return indexed, last, err
}

// index adds a slice to the index, and returns what indexedTo gives then.
func (tx *Tx) index() (indexed, last int64, err error) {
	indexed, last, err = tx.indexedTo()
	if err != nil || indexed == last {
		return indexed, last, err
	}
	docs, indexed, err := tx.documents(indexed, indexSlice)
	if err != nil {
		return 0, 0, err
	}
	for _, d := range docs {
		if _, err := tx.exec(`INSERT INTO search (rowid, text) VALUES (?, ?)`, d.row, d.text); err != nil {
			return 0, 0, err
		}
	}
	_, err = tx.exec(`UPDATE indexed SET n = ?`, indexed)
	return indexed, last, err
}

// unindex takes event n out of the index, before its body goes or it is deleted:
// what stands there has to be told again to be taken out.
func (tx *Tx) unindex(n int64) error {
	return tx.indexed(n, `INSERT INTO search (search, rowid, text) VALUES ('delete', ?, ?)`)
}

// reindex puts event n into the index, which was there without its body.
func (tx *Tx) reindex(n int64) error {
	return tx.indexed(n, `INSERT INTO search (rowid, text) VALUES (?, ?)`)
}

// indexed has query do something with the row and text of event n, if the index
// has come to it and it says something.
func (tx *Tx) indexed(n int64, query string) error {
	indexed, _, err := tx.indexedTo()
	if err != nil || n > indexed {
		return err
	}
	var d document
	err = tx.rows(`SELECT `+documentColumns+` FROM event e WHERE e.n = ?`, []any{n}, func(scan func(...any) error) (_ bool, err error) {
		d, _, err = scanDocument(scan)
		return false, err
	})
	if err != nil || d.text == "" {
		return err
	}
	_, err = tx.exec(query, d.row, d.text)
	return err
}

// unnumbered notes that an event was deleted: SQLite may give its number to the
// next one.
func (tx *Tx) unnumbered() error {
	_, err := tx.exec(`UPDATE indexed SET n = min(n, ifnull((SELECT max(n) FROM event), 0))`)
	return err
}

// catchUp has everything in the index that was committed before it was called.
func (s *Store) catchUp(ctx context.Context) error {
	var indexed, to int64
	err := s.readers.with(ctx, func(c *conn) (err error) {
		indexed, to, err = (&Reader{ctx: ctx, c: c}).indexedTo()
		return err
	})
	for indexed < to && err == nil {
		err = s.Update(ctx, func(tx *Tx) (err error) {
			indexed, _, err = tx.index()
			return err
		})
	}
	return err
}
