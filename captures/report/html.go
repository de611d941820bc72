package report

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"strings"
	"time"
	"unicode"
)

// pageStart is how every page begins; [IsPage] knows one by it.
const pageStart = "<!DOCTYPE html>\n<!-- p2pchat capture report -->\n"

// IsPage tells by its beginning whether a file is a page that [Report.HTML] wrote.
func IsPage(head []byte) bool { return strings.HasPrefix(string(head), pageStart) }

//go:embed page.html
var pageText string

var page = template.Must(template.New("page").Funcs(template.FuncMap{
	"clean": clean, "size": size, "duration": func(d *Duration) string {
		if d == nil {
			return "–"
		}
		return d.String()
	},
	"count": func(n *uint64) string {
		if n == nil {
			return "–"
		}
		return fmt.Sprint(*n)
	},
	"clock": func(t Time) string { return t.UTC().Format("15:04:05.000") },
	"date":  func(t Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") },
	"dash": func(s string) string {
		if s == "" {
			return "–"
		}
		return clean(s)
	},
}).Parse(pageText))

// HTML writes the report as one page that needs nothing else: no script, no
// style, picture or font from elsewhere. What others chose is escaped.
func (r *Report) HTML(w io.Writer) error {
	if _, err := io.WriteString(w, pageStart); err != nil {
		return err
	}
	return page.Execute(w, struct {
		*Report
		Plot     plot
		Times    []bars
		Sequence sequence
	}{r, r.plot(), r.times(), r.sequence()})
}

// clean replaces what would reorder or hide text: controls, bidi controls and
// invisible characters. What HTML itself needs, the template does.
func clean(s string) string {
	return strings.Map(func(c rune) rune {
		switch {
		case c == '\n' || c == '\r' || c == '\u2028' || c == '\u2029':
			return '␤'
		case unicode.In(c, unicode.Cc, unicode.Cf) && c != '\u200d':
			return unicode.ReplacementChar
		}
		return c
	}, strings.ToValidUTF8(s, "\uFFFD"))
}

// shorter cuts text to so many letters.
func shorter(s string, most int) string {
	r := []rune(clean(s))
	if len(r) <= most {
		return string(r)
	}
	return string(r[:most-1]) + "…"
}

// size is a number of bytes for people.
func size(n uint64) string {
	value, unit := float64(n), ""
	for _, next := range []string{"k", "M", "G", "T"} {
		if value < 1000 {
			break
		}
		value, unit = value/1000, next
	}
	if unit == "" {
		return fmt.Sprintf("%d B", n)
	}
	return fmt.Sprintf("%.1f %sB", value, unit)
}

// since is a moment counted from the capture's beginning.
func (r *Report) since(t Time) string {
	if r.Begin == nil {
		return ""
	}
	return fmt.Sprintf("%.4f s", t.Sub(r.Begin.Time).Seconds())
}

// Sizes of the drawings, in units of SVG.
const (
	pageWidth  = 960
	plotHeight = 220
	plotLeft   = 80 // room for the labels of the axis
	plotBottom = 30
)

// plot is the throughput over time: stacked bars.
type plot struct {
	Width, Height     int
	Left, Base, Right int
	Bars              []bar
	Legend            []legend
	Lines             []tick // of the scale
	Marks             []tick // of the time axis
	Peak              string
	Each              Duration
}

type bar struct {
	X, Y, W, H float64
	Colour     int // class of the style sheet
}

type legend struct {
	X, Colour int
	Text      string
}

type tick struct {
	At     float64
	Text   string
	Anchor string // of the text: start, middle or end
}

const (
	maxBars  = 120
	maxStack = 4 // conversations with a colour of their own; the last is all others
)

func (r *Report) plot() plot {
	p := plot{Width: pageWidth, Height: plotHeight, Left: plotLeft, Base: plotHeight - plotBottom, Right: pageWidth - 10}
	total, each := Fewer(r.Throughput.Bytes, r.Throughput.Width, maxBars)
	p.Each = each
	most := uint64(0)
	for _, n := range total {
		most = max(most, n)
	}
	if most == 0 {
		return p
	}
	p.Peak = size(uint64(float64(most)/time.Duration(each).Seconds())) + "/s"
	step := float64(p.Right-p.Left) / float64(len(total))
	height := float64(p.Base - 30)
	for i, n := range total {
		p.stack(r.layers(i, n, each), plotLeft+float64(i)*step, step, height/float64(most))
	}
	for i := range 3 {
		part := float64(i+1) / 3
		rate := float64(most) * part / time.Duration(each).Seconds()
		p.Lines = append(p.Lines, tick{float64(p.Base) - height*part, size(uint64(rate)) + "/s", "end"})
	}
	for i := range 5 {
		part := float64(i) / 4
		at := time.Duration(part * float64(each) * float64(len(total)))
		anchor := "middle"
		if i == 4 {
			anchor = "end"
		}
		p.Marks = append(p.Marks, tick{plotLeft + part*float64(p.Right-p.Left), Duration(at).String(), anchor})
	}
	for i, c := range r.biggest() {
		p.Legend = append(p.Legend, legend{X: plotLeft + i*200, Colour: i, Text: shorter(fmt.Sprintf("%d: %s–%s, %s", c.ID, c.Client.Label(), c.Server.Label(), c.Transport), 30)})
	}
	p.Legend = append(p.Legend, legend{X: plotLeft + len(p.Legend)*200, Colour: maxStack, Text: "all others"})
	return p
}

// layers are the bytes of the bin i of the plot: of the biggest conversations,
// and of all others.
func (r *Report) layers(i int, total uint64, each Duration) []uint64 {
	all := make([]uint64, maxStack+1)
	rest := total
	join := int(each / max(r.Throughput.Width, 1))
	for k, c := range r.biggest() {
		for j := i * join; j < min((i+1)*join, len(c.Over)); j++ {
			all[k] += c.Over[j]
		}
		rest -= min(rest, all[k])
	}
	all[maxStack] = rest
	return all
}

func (p *plot) stack(layers []uint64, x, step, scale float64) {
	y := float64(p.Base)
	for colour, n := range layers {
		if n == 0 {
			continue
		}
		h := float64(n) * scale
		y -= h
		p.Bars = append(p.Bars, bar{X: x, Y: y, W: max(step-0.5, 0.5), H: h, Colour: colour})
	}
}

// biggest are the conversations with most bytes.
func (r *Report) biggest() []*Conversation {
	var all []*Conversation
	for _, c := range r.Conversations {
		at := len(all)
		for at > 0 && all[at-1].bytes() < c.bytes() {
			at--
		}
		if at < maxStack {
			all = append(all[:at], append([]*Conversation{c}, all[at:]...)...)
			all = all[:min(len(all), maxStack)]
		}
	}
	return all
}

func (c *Conversation) bytes() uint64 { return c.Client.Bytes + c.Server.Bytes }

// bars are the times of one conversation.
type bars struct {
	Label string
	Rows  []timeBar
}

// timeBar is one time, as a share of the longest.
type timeBar struct {
	What, Text string
	Width      float64
	Y          int
	Colour     int
}

const maxTimes = 24 // conversations in the plot of times

// times are the handshakes and round trips of the first conversations.
func (r *Report) times() []bars {
	var all []bars
	longest := Duration(1)
	each := func(c *Conversation, f func(what string, d *Duration, colour int)) {
		f("TCP handshake", c.Handshake, 0)
		f("secure handshake", c.Secure, 1)
		if rt := c.Whole(); rt != nil {
			f("round trip, median", &rt.Median, 2)
			f("round trip, least", &rt.Min, 3)
		}
	}
	for _, c := range r.Conversations {
		each(c, func(_ string, d *Duration, _ int) {
			if d != nil {
				longest = max(longest, *d)
			}
		})
	}
	for _, c := range r.Conversations {
		b := bars{Label: clean(fmt.Sprintf("%d: %s – %s, %s", c.ID, c.Client.Label(), c.Server.Label(), c.Transport))}
		each(c, func(what string, d *Duration, colour int) {
			if d != nil {
				b.Rows = append(b.Rows, timeBar{what, d.String(), max(float64(*d)/float64(longest)*560, 1), 18 * len(b.Rows), colour})
			}
		})
		if len(b.Rows) > 0 && len(all) < maxTimes {
			all = append(all, b)
		}
	}
	return all
}

// Height of the drawing.
func (b bars) Height() int { return 18*len(b.Rows) + 2 }
