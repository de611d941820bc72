package tui

import (
	"hash/fnv"
	"strings"

	"charm.land/lipgloss/v2"

	"p2pchat/node/api"
)

// styles are the colours of one background. Colour never carries a meaning
// alone: every state also has a glyph, a word or a place.
type styles struct {
	bar, barName, barWarn       lipgloss.Style
	dim, bold, plain            lipgloss.Style
	accent, ok, away, warn, bad lipgloss.Style
	selected                    lipgloss.Style
	hit                         lipgloss.Style // a search result
	border                      lipgloss.Style
	senders                     []lipgloss.Style
}

// theme picks two of 256 colours: for dark and for light backgrounds.
type theme struct{ dark bool }

func (t theme) fg(dark, light string) lipgloss.Style {
	if t.dark {
		return lipgloss.NewStyle().Foreground(lipgloss.Color(dark))
	}
	return lipgloss.NewStyle().Foreground(lipgloss.Color(light))
}

func (t theme) bg(s lipgloss.Style, dark, light string) lipgloss.Style {
	if t.dark {
		return s.Background(lipgloss.Color(dark))
	}
	return s.Background(lipgloss.Color(light))
}

var (
	darkSenders  = []string{"110", "114", "173", "176", "180", "80", "146", "150", "216", "139", "117", "222"}
	lightSenders = []string{"25", "28", "130", "90", "94", "30", "60", "64", "166", "96", "31", "124"}
)

// newStyles builds the styles; without colours, reverse video and bold take
// the place of backgrounds.
func newStyles(dark, colour bool) styles {
	t := theme{dark}
	s := styles{
		plain:  lipgloss.NewStyle(),
		bold:   lipgloss.NewStyle().Bold(true),
		dim:    t.fg("245", "243"),
		accent: t.fg("75", "26"),
		ok:     t.fg("114", "28"),
		away:   t.fg("179", "136"),
		warn:   t.fg("215", "166"),
		bad:    t.fg("204", "160"),
		border: t.fg("239", "250"),
		bar:    t.bg(t.fg("252", "236"), "236", "254"),
		hit:    lipgloss.NewStyle().Reverse(true),
	}
	s.selected = t.bg(t.fg("255", "232"), "238", "252").Bold(true)
	if !colour {
		s.bar = lipgloss.NewStyle().Reverse(true)
		s.selected = lipgloss.NewStyle().Bold(true)
	}
	s.barName = s.bar.Bold(true)
	s.barWarn = s.bar.Bold(true)
	names := lightSenders
	if dark {
		names = darkSenders
	}
	if colour {
		s.barWarn = t.bg(t.fg("215", "166"), "236", "254").Bold(true)
	}
	for _, c := range names {
		s.senders = append(s.senders, t.fg(c, c).Bold(true))
	}
	return s
}

// sender is the colour of a peer: the same on every screen with the same
// background, so that a name that changes hands does not keep its colour.
func (s styles) sender(peerID string) lipgloss.Style {
	h := fnv.New32a()
	h.Write([]byte(peerID))
	return s.senders[h.Sum32()%uint32(len(s.senders))]
}

// signs are the glyphs that carry meaning.
type signs struct {
	online, away, offline         string
	queued, sent, delivered, read string // delivery of one's own lines
	pointer, prompt, warning      string
	bar, rule                     string // vertical and horizontal lines
	action, notice                string // before lines that nobody says
	down, rec, more, answers      string
	plain                         bool // ASCII only
}

var unicodeSigns = signs{
	online: "●", away: "◐", offline: "○",
	queued: "…", sent: "→", delivered: "✓", read: "✓✓",
	pointer: "▌", prompt: "›", warning: "⚠",
	bar: "│", rule: "─",
	action: "∗", notice: "–", down: "↓", rec: "●", more: "·", answers: "↱",
}

// asciiSigns are for terminals that cannot show others: the Linux console,
// and locales that say so.
var asciiSigns = signs{
	online: "*", away: "~", offline: "-",
	queued: ".", sent: ">", delivered: "+", read: "++",
	pointer: ">", prompt: ">", warning: "!",
	bar: "|", rule: "-",
	action: "*", notice: "-", down: "v", rec: "*", more: "|", answers: ">", plain: true,
}

// signsFor chooses by the environment, which is a list of KEY=value. A locale
// that is not set says nothing: containers and ssh sessions often have none.
func signsFor(environ []string) signs {
	env := map[string]string{}
	for _, kv := range environ {
		if k, v, ok := strings.Cut(kv, "="); ok {
			env[k] = v
		}
	}
	if env["TERM"] == "linux" {
		return asciiSigns
	}
	for _, k := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if v := strings.ToLower(env[k]); v != "" {
			if strings.Contains(v, "utf-8") || strings.Contains(v, "utf8") {
				return unicodeSigns
			}
			return asciiSigns
		}
	}
	return unicodeSigns
}

// presence is the glyph, the word and the style of a peer's state.
func (m *model) presence(p api.Peer) (sign, word string, st lipgloss.Style) {
	switch {
	case p.State == api.Online && p.Away:
		return m.signs.away, "away", m.styles.away
	case p.State == api.Online:
		return m.signs.online, "online", m.styles.ok
	}
	return m.signs.offline, "offline", m.styles.dim
}

// delivery is the mark of one's own message.
func (m *model) delivery(state string) (string, lipgloss.Style) {
	switch state {
	case api.Queued:
		return m.signs.queued, m.styles.away
	case api.Sent:
		return m.signs.sent, m.styles.dim
	case api.Delivered:
		return m.signs.delivered, m.styles.dim
	case api.Read:
		return m.signs.read, m.styles.accent
	}
	return "", m.styles.plain
}
