package tui

import (
	"fmt"
	"strings"

	"charm.land/lipgloss/v2"
	"github.com/charmbracelet/x/ansi"

	"p2pchat/node/api"
)

// entries renders label and text side by side, the text wrapped.
func (m *model) entries(w, labelWidth int, label, text string) []string {
	labelWidth = min(labelWidth, max(w/2, 1))
	var rows []string
	for i, r := range wrapText(m.width, text, max(w-labelWidth-1, 1)) {
		lead := ""
		if i == 0 {
			lead = clip(m.width, label, labelWidth)
		}
		rows = append(rows, m.styles.bold.Render(pad(m.width, lead, labelWidth))+" "+r)
	}
	return rows
}

func (m *model) heading(text string) string { return m.styles.accent.Render(text) }

// renderHelp lists commands, keys and signs.
func (m *model) renderHelp(w int) []string {
	const col = 24
	rows := []string{m.heading("Commands")}
	for _, c := range m.commands {
		if title := helpSections[c.name]; title != "" {
			rows = append(rows, "", m.heading(title))
		}
		rows = append(rows, m.helpEntry(w, col, c)...)
	}
	rows = append(rows, m.entries(w, col, "//text", "say text that begins with a slash")...)
	rows = append(rows, "", m.heading("Keys"))
	for _, b := range keys.helpOrder() {
		rows = append(rows, m.entries(w, col, b.Help().Key, b.Help().Desc)...)
	}
	rows = append(rows, "", m.heading("Beside your messages"))
	for _, e := range [][2]string{
		{m.signs.queued, "queued: stored here; it goes out by itself when the other side is there, in a room another member"},
		{m.signs.sent, "sent: on its way"},
		{m.signs.delivered, "delivered: stored on the other side, in a room by at least one other member"},
		{m.signs.read, "read: shown to the other person"},
	} {
		rows = append(rows, m.entries(w, col, e[0], e[1])...)
	}
	rows = append(rows, "", m.heading("Beside names"))
	for _, e := range [][2]string{
		{m.signs.online, "online"},
		{m.signs.away, "away"},
		{m.signs.offline, "offline"},
		{m.signs.warning, "look twice: the name is or looks like another's, or has changed; compare fingerprints"},
		{"3, @3", "so many unread messages; @: some of them name you"},
		{"name~1a2b", "several people have this name, and 1a2b begins the fingerprint; of rooms, the ID"},
	} {
		rows = append(rows, m.entries(w, col, e[0], e[1])...)
	}
	return rows
}

// helpSections are headings in the help, before the command of that name.
var helpSections = map[string]string{"rooms": "Rooms", "who": "In a room", "peers": "This node", "search": "The screen"}

// helpEntry is a command in the help: greyed, with the reason, if it may not be
// used in the room that is shown.
func (m *model) helpEntry(w, col int, c command) []string {
	usage := strings.TrimSpace("/" + c.name + " " + c.args)
	why := m.whyNotCommand(c.name)
	if why == "" {
		if m.width.StringWidth(usage) > min(col, max(w/2, 1)) {
			// What goes with it stands on a row of its own.
			return append(m.entries(w, col, "/"+c.name, c.help), m.entries(w, col, "", c.args)...)
		}
		return m.entries(w, col, usage, c.help)
	}
	rows := m.entries(w, col, "/"+c.name, m.signs.notice+" "+why)
	for i, r := range rows {
		rows[i] = m.styles.dim.Render(ansi.Strip(r))
	}
	return rows
}

// column is one column of the table of peers.
type column struct {
	title string
	max   int
	cell  func(*talk) string
}

// renderPeers is the table of everybody known, as many columns as fit.
func (m *model) renderPeers(w int) []string {
	var rows []*talk
	for _, t := range m.people.rows {
		if t.kind == api.KindDirect {
			rows = append(rows, t)
		}
	}
	if len(rows) == 0 {
		return wrapText(m.width, "Nobody yet. "+lonely, w)
	}
	addr := func(f func(address) string) func(*talk) string {
		return func(t *talk) string {
			if a, ok := addressOf(t.peer); ok {
				return f(a)
			}
			return ""
		}
	}
	var out []string
	var widths []int
	left := w - 2
	columns := []column{
		{"name", 20, (*talk).label},
		{"address", 48, addr(address.String)},
		{"transport", 9, addr(func(a address) string { return a.transport })},
		{"last seen", 12, func(t *talk) string { return m.seen(t.peer) }},
		{"rtt", 9, func(t *talk) string { return rtt(t.peer) }},
		{"via", 8, func(t *talk) string { return t.peer.Via }},
		{"fingerprint", 80, func(t *talk) string { return t.peer.Fingerprint + marksOf(t.peer) }}, // a mark belongs to the key
	}
	for i, c := range columns {
		n := len(c.title)
		for _, t := range rows {
			n = max(n, m.width.StringWidth(c.cell(t)))
		}
		n = min(n, c.max)
		if i > 0 && n+2 > left {
			columns = columns[:i]
			break
		}
		n = min(n, max(left, 1))
		widths = append(widths, n)
		left -= n + 2
	}
	line := func(st lipgloss.Style, cell func(column) string) string {
		var b strings.Builder
		for i, c := range columns {
			b.WriteString(fit(m.width, cell(c), widths[i]) + "  ")
		}
		return st.Render(strings.TrimRight(b.String(), " "))
	}
	out = append(out, "  "+line(m.styles.dim, func(c column) string { return c.title }))
	for _, t := range rows {
		sign, _, st := m.presence(t.peer)
		out = append(out, st.Render(sign)+" "+line(m.styles.plain, func(c column) string { return c.cell(t) }))
		if columns[len(columns)-1].title != "fingerprint" && t.peer.Fingerprint != "" {
			for _, r := range wrapText(m.width, t.peer.Fingerprint+marksOf(t.peer), max(w-4, 1)) {
				out = append(out, "    "+m.styles.dim.Render(r))
			}
		}
		if t.peer.Warning != "" {
			for _, r := range wrapText(m.width, t.peer.Warning, max(w-4, 1)) {
				out = append(out, m.styles.warn.Render("  "+m.signs.warning+" "+r))
			}
		}
	}
	return out
}

// renderWhoami shows one's own identity, the peer ID in one piece for copying.
func (m *model) renderWhoami(w int) []string {
	var rows []string
	rows = append(rows, m.entries(w, 12, "name", m.self.Name)...)
	rows = append(rows, m.entries(w, 12, "peer ID", m.self.PeerID)...)
	rows = append(rows, m.entries(w, 12, "fingerprint", m.self.Fingerprint)...)
	rows = append(rows, "")
	for _, r := range wrapText(m.width, "Others see the same fingerprint beside your name; if they read it out to you over the phone and it is this one, they talk with you and nobody else.", w) {
		rows = append(rows, m.styles.dim.Render(r))
	}
	return rows
}

// renderStatus shows the node.
func (m *model) renderStatus(st api.Status) func(w int) []string {
	return func(w int) []string {
		const col = 12
		var rows []string
		put := func(label, text string) { rows = append(rows, m.entries(w, col, label, text)...) }
		for _, n := range st.Notices {
			for _, r := range wrapText(m.width, m.signs.warning+" "+clean(n), w) {
				rows = append(rows, m.styles.warn.Render(r))
			}
		}
		put("name", clean(st.Name))
		put("version", clean(st.Version))
		if st.Queued != nil {
			put("queued", fmt.Sprintf("%d messages not delivered yet", *st.Queued))
		}
		put("storage", size(st.Storage))
		label := "addresses"
		for _, a := range st.Addrs {
			put(label, clean(a))
			label = ""
		}
		label = "connections"
		if len(st.Connections) == 0 {
			put(label, "none")
		}
		for _, c := range st.Connections {
			name := clean(c.PeerID)
			if t := m.people.byKey[c.PeerID]; t != nil {
				name = t.label()
			}
			put(label, fmt.Sprintf("%s  %s  %s  %s", name, clean(c.Transport), clean(c.Direction), parseAddress(clean(c.Addr))))
			label = ""
		}
		return rows
	}
}

func size(bytes int64) string {
	if bytes < 1<<20 {
		return fmt.Sprintf("%d KiB", (bytes+1023)/1024)
	}
	return fmt.Sprintf("%.1f MiB", float64(bytes)/(1<<20))
}

// renderFindings shows what doctor found.
func (m *model) renderFindings(fs []api.Finding) func(w int) []string {
	return func(w int) []string {
		var rows []string
		for _, f := range fs {
			level, st := "ok", m.styles.ok
			switch f.Level {
			case api.LevelWarn:
				level, st = "warn", m.styles.warn
			case api.LevelFail:
				level, st = "FAIL", m.styles.bad
			}
			for i, r := range wrapText(m.width, clean(f.Check)+": "+cleanText(f.Seen), max(w-6, 1)) {
				lead := "     "
				if i == 0 {
					lead = st.Bold(true).Render(pad(m.width, level, 5))
				}
				rows = append(rows, lead+" "+r)
			}
			if f.Advice != "" {
				for _, r := range wrapText(m.width, "do: "+cleanText(advice(f.Advice)), max(w-6, 1)) {
					rows = append(rows, "      "+m.styles.accent.Render(r))
				}
			}
		}
		return rows
	}
}
