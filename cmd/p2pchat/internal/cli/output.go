package cli

import (
	"fmt"
	"io"

	"p2pchat/cmd/p2pchat/internal/term"
)

// output is standard output. It remembers the first failed write, after which
// it writes nothing: data with a hole in it is worse than data that ends.
type output struct {
	w     io.Writer
	wrote bool
	err   error
}

func (o *output) Write(p []byte) (int, error) {
	if o.err != nil {
		return 0, o.err
	}
	n, err := o.w.Write(p)
	o.wrote = o.wrote || n > 0
	if err != nil {
		o.err = fmt.Errorf("cannot write to standard output: %w", err)
		return n, o.err
	}
	return n, nil
}

// style colours what goes to standard output.
func (a *app) style() term.Style { return term.StyleFor(a.out.w) }

// object writes v as one line of JSON.
func (a *app) object(v any) error {
	line, err := term.JSON(v)
	if err != nil {
		return fmt.Errorf("encode: %w", err)
	}
	_, err = a.out.Write(append(line, '\n'))
	return err
}

// printf writes for people. Arguments that others chose must have been
// cleaned.
func (a *app) printf(format string, args ...any) error {
	_, err := fmt.Fprintf(a.out, format, args...)
	return err
}

// table writes t for people; it cleans its cells itself.
func (a *app) table(t *term.Table) error {
	_, err := t.WriteTo(a.out)
	return err
}
