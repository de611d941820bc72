package term

import (
	"io"
	"strings"
)

// Table lays rows out in columns aligned by what they measure on the screen.
// Cells are cleaned; a column is as wide as its widest cell.
type Table struct {
	Header []string // nil for none
	Rows   [][]string
	// Paint colours a cleaned, padded cell; nil for none. Row -1 is the header.
	Paint func(row, col int, cell string) string
}

// WriteTo writes the table, header first, columns two spaces apart, without
// trailing spaces. A table without rows writes nothing.
func (t *Table) WriteTo(w io.Writer) (int64, error) {
	if len(t.Rows) == 0 {
		return 0, nil
	}
	all := t.Rows
	headers := 0
	if t.Header != nil {
		all = append([][]string{t.Header}, t.Rows...)
		headers = 1
	}
	cells := make([][]string, len(all))
	var widths []int
	for i, row := range all {
		cleaned := make([]string, len(row))
		for c, cell := range row {
			cleaned[c] = Clean(cell)
			if c == len(widths) {
				widths = append(widths, 0)
			}
			widths[c] = max(widths[c], Width(cleaned[c]))
		}
		cells[i] = cleaned
	}
	var b strings.Builder
	for i, row := range cells {
		last := len(row) - 1
		for last > 0 && row[last] == "" {
			last--
		}
		for c := 0; c <= last; c++ {
			cell := row[c]
			if c < last {
				cell = Pad(cell, widths[c])
			}
			if t.Paint != nil {
				cell = t.Paint(i-headers, c, cell)
			}
			b.WriteString(cell)
			if c < last {
				b.WriteString("  ")
			}
		}
		b.WriteByte('\n')
	}
	n, err := io.WriteString(w, b.String())
	return int64(n), err
}
