package tui

import (
	"fmt"
	"slices"
	"strings"

	"github.com/charmbracelet/x/ansi"
)

// vt is as much of a terminal as the renderer uses: it keeps what stands on
// the screen, and notes sequences it does not know.
type vt struct {
	w, h     int
	cells    [][]string // "" is the right half of a wide character
	x, y     int
	wrapping bool // the cursor is behind the last column
	top, bot int  // scroll region, rows top to bot-1
	last     rune
	alt      bool
	title    string
	unknown  []string
	parser   *ansi.Parser
}

func newVT(w, h int) *vt {
	v := &vt{parser: ansi.NewParser()}
	v.resize(w, h)
	v.parser.SetHandler(ansi.Handler{
		Print: v.print, Execute: v.control, HandleCsi: v.csi, HandleEsc: v.esc,
		HandleOsc: func(cmd int, data []byte) {
			if cmd == 2 {
				v.title = strings.TrimPrefix(string(data), "2;")
			}
		},
	})
	return v
}

func (v *vt) resize(w, h int) {
	v.w, v.h, v.top, v.bot, v.x, v.y = w, h, 0, h, 0, 0
	v.cells = nil
	for range h {
		v.cells = append(v.cells, v.blank())
	}
}

func (v *vt) blank() []string { return slices.Repeat([]string{" "}, v.w) }

func (v *vt) Write(b []byte) (int, error) {
	v.parser.Parse(b)
	return len(b), nil
}

func (v *vt) String() string {
	var rows []string
	for _, r := range v.cells {
		rows = append(rows, strings.TrimRight(strings.Join(r, ""), " "))
	}
	return strings.Join(rows, "\n") + "\n"
}

func (v *vt) print(r rune) {
	w := ansi.WcWidth.StringWidth(string(r))
	if w == 0 {
		for x := min(v.x, v.w) - 1; x >= 0; x-- {
			if v.cells[v.y][x] != "" {
				v.cells[v.y][x] += string(r)
				return
			}
		}
		return
	}
	if v.wrapping || v.x+w > v.w {
		v.x, v.wrapping = 0, false
		v.lineFeed()
	}
	v.cells[v.y][v.x] = string(r)
	for i := 1; i < w; i++ {
		v.cells[v.y][v.x+i] = ""
	}
	v.last = r
	v.x += w
	if v.x >= v.w {
		v.x, v.wrapping = v.w-1, true
	}
}

func (v *vt) lineFeed() {
	switch {
	case v.y == v.bot-1:
		v.scroll(v.top, 1)
	case v.y < v.h-1:
		v.y++
	}
}

// scroll moves rows from..bot up by n, or down if n is negative.
func (v *vt) scroll(from, n int) {
	region := v.cells[from:v.bot]
	for range min(max(n, -n), len(region)) {
		if n > 0 {
			copy(region, region[1:])
			region[len(region)-1] = v.blank()
		} else {
			copy(region[1:], region)
			region[0] = v.blank()
		}
	}
}

func (v *vt) control(b byte) {
	v.wrapping = v.wrapping && b != '\r' && b != '\b'
	switch b {
	case '\r':
		v.x = 0
	case '\n':
		v.lineFeed()
	case '\b':
		v.x = max(0, v.x-1)
	case '\t':
		v.x = min((v.x/8+1)*8, v.w-1)
	case 0:
	default:
		v.unknown = append(v.unknown, fmt.Sprintf("control %#x", b))
	}
}

func (v *vt) esc(cmd ansi.Cmd) {
	switch cmd.Final() {
	case 'M': // RI
		if v.y == v.top {
			v.scroll(v.top, -1)
		} else {
			v.y = max(0, v.y-1)
		}
	case '7', '8', '=', '>', 'B', '\\':
	default:
		v.unknown = append(v.unknown, fmt.Sprintf("ESC %c", cmd.Final()))
	}
}

func (v *vt) csi(cmd ansi.Cmd, params ansi.Params) {
	n, _, _ := params.Param(0, 1)
	m, _, _ := params.Param(1, 1)
	k, _, _ := params.Param(0, 0)
	row := v.cells[v.y]
	erase := func(from, to int) {
		for x := max(from, 0); x < min(to, v.w); x++ {
			row[x] = " "
		}
	}
	if cmd.Prefix() != 0 || cmd.Intermediate() != 0 {
		switch cmd.Final() {
		case 'h', 'l':
			if cmd.Prefix() == '?' && n == 1049 {
				v.alt = cmd.Final() == 'h'
				v.resize(v.w, v.h)
			}
		case 'p', 'u', 'm', 'q', 'c', 'n', 'W': // modes and queries nobody answers
		default:
			v.unknown = append(v.unknown, fmt.Sprintf("CSI %c %c", cmd.Prefix(), cmd.Final()))
		}
		return
	}
	if cmd.Final() != 'm' {
		v.wrapping = false
	}
	switch cmd.Final() {
	case 'm', 't', 'n', 'h', 'l', 'c':
	case 'H', 'f':
		v.y, v.x = min(n, v.h)-1, min(m, v.w)-1
	case 'A':
		v.y = max(0, v.y-n)
	case 'B', 'e':
		v.y = min(v.h-1, v.y+n)
	case 'C', 'a':
		v.x = min(v.w-1, v.x+n)
	case 'D':
		v.x = max(0, v.x-n)
	case 'E':
		v.y, v.x = min(v.h-1, v.y+n), 0
	case 'F':
		v.y, v.x = max(0, v.y-n), 0
	case 'G', '`':
		v.x = min(n, v.w) - 1
	case 'd':
		v.y = min(n, v.h) - 1
	case 'I':
		v.x = min((v.x/8+n)*8, v.w-1)
	case 'Z':
		v.x = max(0, ((v.x+7)/8-n)*8)
	case 'J':
		switch k {
		case 0:
			erase(v.x, v.w)
			for y := v.y + 1; y < v.h; y++ {
				v.cells[y] = v.blank()
			}
		case 2:
			for y := range v.h {
				v.cells[y] = v.blank()
			}
		default:
			v.unknown = append(v.unknown, fmt.Sprintf("ED %d", k))
		}
	case 'K':
		switch k {
		case 0:
			erase(v.x, v.w)
		case 1:
			erase(0, v.x+1)
		case 2:
			erase(0, v.w)
		}
	case 'X':
		erase(v.x, v.x+n)
	case '@':
		v.cells[v.y] = append(append(slices.Clone(row[:v.x]), slices.Repeat([]string{" "}, n)...), row[v.x:]...)[:v.w]
	case 'P':
		v.cells[v.y] = append(slices.Delete(slices.Clone(row), v.x, min(v.x+n, v.w)), v.blank()...)[:v.w]
	case 'L':
		v.scroll(v.y, -n)
	case 'M':
		v.scroll(v.y, n)
	case 'S':
		v.scroll(v.top, n)
	case 'T':
		v.scroll(v.top, -n)
	case 'b':
		for range n {
			v.print(v.last)
		}
	case 'r':
		bot, _, _ := params.Param(1, v.h)
		v.top, v.bot, v.x, v.y = n-1, min(bot, v.h), 0, 0
	default:
		v.unknown = append(v.unknown, fmt.Sprintf("CSI %c", cmd.Final()))
	}
}
