package term

import (
	"errors"
	"strings"
	"testing"
)

func TestTable(t *testing.T) {
	t.Parallel()
	tab := Table{
		Header: []string{"NAME", "N", "NOTE"},
		Rows: [][]string{
			{"你好", "1", "x"},
			{"evil\x1b[2J\n", "1000", ""},
			{"bob"},
		},
	}
	var b strings.Builder
	if _, err := tab.WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	want := "NAME      N     NOTE\n" +
		"你好      1     x\n" +
		"evil␛[2J␊  1000\n" +
		"bob\n"
	want = strings.ReplaceAll(want, "NAME      N", "NAME       N")
	want = strings.ReplaceAll(want, "你好      1", "你好       1")
	if b.String() != want {
		t.Errorf("got\n%s\nwant\n%s", b.String(), want)
	}
}

func TestTablePaint(t *testing.T) {
	t.Parallel()
	style := Style{on: true}
	tab := Table{
		Header: []string{"A", "B"},
		Rows:   [][]string{{"long", "x"}, {"y", ""}},
		Paint: func(row, col int, cell string) string {
			if row == -1 {
				return style.Bold(cell)
			}
			if row == 0 && col == 0 {
				return style.Red(cell)
			}
			return cell
		},
	}
	var b strings.Builder
	if _, err := tab.WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	want := "\x1b[1mA   \x1b[0m  \x1b[1mB\x1b[0m\n\x1b[31mlong\x1b[0m  x\ny\n"
	if b.String() != want {
		t.Errorf("got %q, want %q", b.String(), want)
	}
}

type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, errors.New("no") }

func TestTableEnds(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	if n, err := (&Table{Header: []string{"A"}}).WriteTo(&b); n != 0 || err != nil || b.Len() > 0 {
		t.Errorf("an empty table wrote %q", b.String())
	}
	if _, err := (&Table{Rows: [][]string{{"a", "b"}}}).WriteTo(&b); err != nil || b.String() != "a  b\n" {
		t.Errorf("without header: %q, %v", b.String(), err)
	}
	if _, err := (&Table{Rows: [][]string{{"a"}}}).WriteTo(failing{}); err == nil {
		t.Error("a failed write was kept quiet")
	}
}

func TestStyle(t *testing.T) {
	var b strings.Builder
	if got := StyleFor(&b).Red("x"); got != "x" {
		t.Errorf("no terminal: %q", got)
	}
	if got := (Style{on: true}).Green(""); got != "" {
		t.Errorf("nothing coloured: %q", got)
	}
}
