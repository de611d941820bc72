package main

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
)

// table is what became of one figure.
type table struct {
	Title   string
	Rows    []row
	Notes   []string
	Skipped error // why it was not measured
}

// row is one measurement, with one value per run.
type row struct {
	What, Unit         string
	Subject, Yardstick []float64
	// Aim bounds the ratio, Limit the value itself; 0: no aim. Where More is
	// better, both are lower bounds. Zero: the value is to be 0.
	Aim, Limit float64
	More, Zero bool
}

// skipped says that a machine cannot measure something.
type skipped struct{ why string }

func (s skipped) Error() string { return s.why }

func isSkip(err error) bool {
	var s skipped
	return errors.As(err, &s)
}

// median of the values, NaN of none.
func median(v []float64) float64 { return quantile(v, 0.5) }

// quantile q of the values, by the nearest rank; the median of an even number
// is the mean of the middle two.
func quantile(v []float64, q float64) float64 {
	s := slices.Sorted(slices.Values(v))
	switch n := len(s); {
	case n == 0:
		return math.NaN()
	case q == 0.5 && n%2 == 0:
		return (s[n/2-1] + s[n/2]) / 2
	default:
		return s[max(0, int(math.Ceil(q*float64(n)))-1)]
	}
}

// ratio is the median of the runs' ratios, NaN without a yardstick.
func (r row) ratio() float64 {
	var all []float64
	for i := range min(len(r.Subject), len(r.Yardstick)) {
		all = append(all, r.Subject[i]/r.Yardstick[i])
	}
	return median(all)
}

// verdict tells the aim and whether it was met.
func (r row) verdict() (aim, met string) {
	got, bound, unit := r.ratio(), r.Aim, "×"
	if r.Zero {
		if median(r.Subject) > 0 {
			return "0", "**no**"
		}
		return "0", "yes"
	}
	if r.Limit > 0 {
		got, bound, unit = median(r.Subject), r.Limit, r.Unit
	}
	if bound == 0 {
		return "", ""
	}
	sign, ok := "≤", got <= bound
	if r.More {
		sign, ok = "≥", got >= bound
	}
	met = "**no**"
	if ok {
		met = "yes"
	}
	return fmt.Sprintf("%s %s %s", sign, number(bound), unit), met
}

// number prints three significant digits.
func number(v float64) string {
	switch {
	case math.IsNaN(v), math.IsInf(v, 0): // nothing was measured, or nothing is the yardstick
		return "–"
	case math.Abs(v) >= 100 || v == math.Trunc(v):
		return fmt.Sprintf("%.0f", v)
	case math.Abs(v) >= 10:
		return fmt.Sprintf("%.1f", v)
	case math.Abs(v) >= 0.1:
		return fmt.Sprintf("%.2f", v)
	}
	return fmt.Sprintf("%.2g", v)
}

// span is the least and the greatest of the values.
func span(v []float64) string {
	if len(v) < 2 || math.IsNaN(median(v)) {
		return ""
	}
	return fmt.Sprintf(" (%s–%s)", number(slices.Min(v)), number(slices.Max(v)))
}

// report is a whole document.
func report(name, about string, tables []table) string {
	title, other := "Benchmarks", "Rooms are measured in [rooms.md]("+ofRooms+")."
	if name == ofRooms {
		title, other = "Benchmarks of rooms", "What is not about rooms is in [README.md]("+readme+")."
	}
	if name == ofCaptures {
		title, other = "Benchmarks of captures", "What is not about captures is in [README.md]("+readme+")."
	}
	var b strings.Builder
	b.WriteString("# " + title + "\n\n" +
		"Written by `make bench`. Each value is the median over the runs, with the least and\n" +
		"the greatest; the ratio is the median of the ratios of each run, in which subject\n" +
		"and yardstick took turns. What each is, and how to run a part, stands in\n" +
		"[`node/bench`](../../node/bench/doc.go). " + other + "\n\n" + about)
	for _, t := range tables {
		fmt.Fprintf(&b, "\n## %s\n\n", t.Title)
		if t.Skipped != nil {
			fmt.Fprintf(&b, "Not measured here: %v.\n", t.Skipped)
			continue
		}
		b.WriteString(t.markdown())
	}
	return b.String()
}

func (t table) markdown() string {
	lines := [][]string{
		{"figure", "p2pchat", "yardstick", "ratio", "aim", "met"},
		{"---", "---:", "---:", "---:", "---", "---"},
	}
	for _, r := range t.Rows {
		aim, met := r.verdict()
		lines = append(lines, []string{
			r.What + ", " + r.Unit, value(r.Subject), value(r.Yardstick), number(r.ratio()), cmp.Or(aim, "–"), cmp.Or(met, "–"),
		})
	}
	var b strings.Builder
	for _, l := range lines {
		b.WriteString("| " + strings.Join(l, " | ") + " |\n")
	}
	for _, n := range t.Notes {
		b.WriteString("\n" + n + "\n")
	}
	return b.String()
}

func value(v []float64) string {
	if len(v) == 0 {
		return "–"
	}
	return number(median(v)) + span(v)
}

func sortRows(rows []row) {
	slices.SortFunc(rows, func(a, b row) int { return cmp.Compare(a.What, b.What) })
}
