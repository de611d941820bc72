package tui

import (
	"fmt"
	"strings"

	"charm.land/lipgloss/v2"
)

// view renders the form: a row for each setting, the chosen one with what it
// may be, and below it what it is about.
func (f *configForm) view(m *model, w, h int) (out []string, x, y int) {
	if h > 2 {
		out = append(out, m.separator("Settings of "+f.t.label(), w, m.styles.accent))
	}
	below := f.news(m, w)
	if room := max(h-3, 0); len(below) > room {
		below = below[:room]
	}
	x = -1
	rows := f.rows()
	f.page = max(h-len(out)-len(below), 1)
	f.top = window(f.top, f.at, f.page, len(rows))
	for i := f.top; i < len(rows) && i < f.top+f.page; i++ {
		row, at := f.viewRow(m, rows[i], i == f.at, w)
		if i == f.at {
			x, y = at, len(out)
		}
		out = append(out, row)
	}
	for len(out) < h-len(below) {
		out = append(out, strings.Repeat(" ", max(w, 0)))
	}
	out = append(out, below...)
	return out[:max(min(h, len(out)), 0)], x, max(min(y, h-1), 0)
}

// news are the rows at the bottom: what went wrong, why one may not, or what
// the chosen setting is about.
func (f *configForm) news(m *model, w int) []string {
	text, st := settingHelp[f.key()], m.styles.dim
	if why := whyNot(f.t.room.Standing, actConfigure); why != "" {
		text, st = m.signs.warning+" "+why+"; you are "+nonePlain(f.t.room.Standing), m.styles.warn
	}
	switch {
	case f.saving:
		text, st = "saving"+m.signs.queued, m.styles.accent
	case f.err != "":
		text, st = m.signs.warning+" "+f.err, m.styles.bad.Bold(true)
	}
	var rows []string
	for _, r := range wrapText(m.width, text, max(w-2, 1)) {
		rows = append(rows, st.Render(fit(m.width, " "+r, w)))
	}
	return rows
}

// nonePlain is a standing in a sentence.
func nonePlain(standing string) string {
	if standing == "none" || standing == "" {
		return "without standing"
	}
	return standing
}

// viewRow renders one setting, and says where the cursor is, -1 for nowhere.
func (f *configForm) viewRow(m *model, k string, chosen bool, w int) (row string, x int) {
	const label = 14
	may := whyNot(f.t.room.Standing, actConfigure) == ""
	pointer, name, value := " ", m.styles.plain, m.styles.plain
	if chosen {
		pointer, name = m.signs.pointer, m.styles.selected
	}
	if !may {
		value = m.styles.dim
		if !chosen {
			name = m.styles.dim
		}
	}
	lead := m.styles.accent.Render(pointer) + " "
	if k == keySave {
		return pad(m.width, lead+name.Render(f.saveWords(may)), w), -1
	}
	mark := " "
	if _, changed := f.set[k]; changed || k == keyPassword && (f.noPassword || f.password.text != "") {
		mark = "*"
		value = value.Bold(true)
	}
	wide := min(label, max(w/3, 4))
	lead += name.Render(fit(m.width, strings.ReplaceAll(k, "_", " "), wide)) + m.styles.accent.Render(mark) + " "
	space := max(w-wide-5, 1)
	text, x := f.viewValue(m, k, chosen && may, space, value)
	if x >= 0 {
		x += wide + 4
	}
	return pad(m.width, lead+text, w), x
}

func (f *configForm) saveWords(may bool) string {
	switch n := f.changes(); {
	case !may, n == 0:
		return "[ nothing to save ]"
	default:
		return fmt.Sprintf("[ save %s ]", plural(n, "change", "changes"))
	}
}

// viewValue renders a value: a text that is edited scrolls with its cursor, a
// choice shows what else there is.
func (f *configForm) viewValue(m *model, k string, chosen bool, w int, st lipgloss.Style) (text string, x int) {
	s := spec(k)
	edited := f.editing
	switch {
	case k == keyPassword:
		if f.password.text == "" {
			words := "none"
			switch {
			case f.noPassword:
				words = "will be taken away"
			case f.t.room.Password:
				words = "is set"
			}
			return st.Render(clip(m.width, words, w)), m.cursorAt(chosen)
		}
		edited = masked(m.width, f.password)
	case !s.Free:
		var words []string
		for _, v := range s.Values {
			if v == f.value(k) {
				v = st.Render(v)
				if chosen {
					v = m.styles.accent.Render("[") + v + m.styles.accent.Render("]")
				}
				words = append(words, v)
			} else if chosen {
				words = append(words, m.styles.dim.Render(v))
			}
		}
		return cut(m.width, strings.Join(words, " "), w), -1
	}
	if !chosen {
		shown := f.value(k)
		if k == keyPassword {
			shown = edited.text
		}
		return st.Render(clip(m.width, shown, w)), -1
	}
	return beside(m.width, edited, w)
}

// beside is what of a long line fits in w columns, the text before the cursor
// first, and where the cursor is.
func beside(mw measure, d draft, w int) (text string, x int) {
	skip, x := 0, mw.StringWidth(d.text[:d.cursor])
	for _, g := range glyphs(mw, d.text[:d.cursor]) {
		if x < w {
			break
		}
		skip += g.n
		x -= g.w
	}
	return clip(mw, d.text[skip:], w), min(max(x, 0), w)
}

// cursorAt is where the cursor stands in an empty value.
func (m *model) cursorAt(chosen bool) int {
	if chosen {
		return 0
	}
	return -1
}
