package transcript

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"

	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"
)

// ErrForeign: a file is none that [Document.Render] wrote, or its very beginning was
// changed.
var ErrForeign = errors.New("this is no file that p2pchat export wrote")

const (
	// maxFile is the longest file that is checked, of which a check holds about four
	// times the size in memory.
	maxFile = 1 << 30
	// maxLine is longer than any line of a file. The longest are the header, where a
	// hundred thousand people are named, and a text to which as many have reacted. That
	// of the document in a page is as long as the document.
	maxLine = 16 << 20
)

// Check reads a file and tells what is in it, if every signature is good, no log
// contradicts itself, and everything that can be read in it is what was signed.
// What Windows makes of a file on its way says the same and is read: lines that end
// in CRLF, and UTF-16 with a byte order mark. Errors wrap [ErrAltered] or
// [ErrForeign], but for those of r.
func Check(r io.Reader) (Report, error) {
	in := bufio.NewReader(r)
	mark, _ := in.Peek(2) // what is wrong with r, read tells
	file, err := read(bufio.NewReader(transform.NewReader(in, unicode.BOMOverride(transform.Nop))))
	if err != nil {
		return Report{}, err
	}
	report, err := check(file)
	if wide := string(mark); err != nil && (wide == "\xff\xfe" || wide == "\xfe\xff") {
		err = fmt.Errorf("%w; the file is UTF-16, as the > of PowerShell writes it, which may have changed letters: export writes a file by itself with --output", err)
	}
	return report, err
}

func check(file []byte) (Report, error) {
	// No form has a carriage return: in what is said it is escaped.
	file = bytes.ReplaceAll(file, []byte("\r\n"), []byte("\n"))
	d, format, err := Parse(file)
	if err != nil {
		return Report{}, fmt.Errorf("%w: %w", ErrAltered, err)
	}
	report, err := d.Verify()
	if err != nil {
		return Report{}, fmt.Errorf("%w: %w", ErrAltered, err)
	}
	report.Format = format
	same := comparison{rest: file, line: 1}
	if err := cmp.Or(d.Render(&same, format), same.end()); err != nil {
		return Report{}, fmt.Errorf("%w: %w", ErrAltered, err)
	}
	return report, nil
}

// read reads a whole file, and of one that is no document no more than shows it.
func read(r *bufio.Reader) ([]byte, error) {
	begin, err := r.Peek(max(len(title), len(page)))
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if formatOf(begin) == "" {
		return nil, ErrForeign
	}
	var file []byte
	for line := 0; ; { // where the line begins
		part, err := r.ReadSlice('\n')
		file = append(file, part...)
		switch l := file[line:]; {
		case len(file) > maxFile:
			return nil, fmt.Errorf("the file has more than the %d MiB that can be checked", maxFile>>20)
		case len(l) > maxLine && !bytes.HasPrefix(l, []byte(docStart)):
			return nil, fmt.Errorf("%w: a line has more than %d MiB", ErrForeign, maxLine>>20)
		case errors.Is(err, io.EOF):
			return file, nil
		case err == nil:
			line = len(file)
		case !errors.Is(err, bufio.ErrBufferFull):
			return nil, err
		}
	}
}

// comparison refuses to be written what it does not begin with.
type comparison struct {
	rest []byte
	line int // that rest begins in, from 1
}

func (c *comparison) Write(p []byte) (int, error) {
	n := 0
	for n < len(p) && n < len(c.rest) && p[n] == c.rest[n] {
		n++
	}
	c.line += bytes.Count(p[:n], []byte("\n"))
	c.rest = c.rest[n:]
	if n < len(p) {
		return n, c.differs()
	}
	return n, nil
}

// end refuses what is left.
func (c *comparison) end() error {
	if len(c.rest) > 0 {
		return c.differs()
	}
	return nil
}

func (c *comparison) differs() error {
	return fmt.Errorf("line %d is not what was signed, or not as it was exported", c.line)
}
