package report

import (
	"fmt"
	"slices"
)

// sequence is the diagram of who said what to whom: a lane for each, time
// downwards.
type sequence struct {
	Width, Height int
	Lanes         []lane
	Rows          []arrow
	Left          int // steps that are not in it
	First, Last   float64
}

type lane struct {
	X    float64
	Name string
}

// arrow is one row.
type arrow struct {
	Y          int
	Time       string
	From, To   float64 // of the lanes
	Everybody  bool    // to all lanes
	Gap        int     // instead: so many steps were left out here
	Kind       Kind
	Text, Full string
	TextX      float64
	Conv       int
	Head       string // points of the arrow's head
}

// At most so many rows of each kind, so that what repeats itself does not push
// out what is said.
var shownOfKind = map[Kind]int{
	KindQuestion: 12, KindAnswer: 12, KindOpen: 40, KindSecure: 30, KindData: 20,
	KindRetransmit: 15, KindClose: 20, KindChat: 60, KindRepeat: 10,
}

const (
	maxLanes  = 6
	rowHeight = 26
	seqTop    = 40
	seqLeft   = 100
)

func (r *Report) sequence() sequence {
	s := sequence{Width: pageWidth}
	lanes := map[string]float64{}
	var shown []Event
	gaps := map[int]int{} // steps left out before shown[i]
	counts := map[Kind]int{}
	for _, e := range r.Events {
		fits := counts[e.Kind] < shownOfKind[e.Kind]
		fresh := []string{}
		for _, name := range []string{e.From, e.To} {
			if _, known := lanes[name]; name != "" && !known && !slices.Contains(fresh, name) {
				fresh = append(fresh, name)
			}
		}
		if !fits || len(lanes)+len(fresh) > maxLanes {
			gaps[len(shown)]++
			s.Left++
			continue
		}
		counts[e.Kind]++
		for _, name := range fresh {
			lanes[name] = 0
			s.Lanes = append(s.Lanes, lane{Name: name})
		}
		shown = append(shown, e)
	}
	s.lay(lanes)
	y := seqTop
	for i, e := range shown {
		if gaps[i] > 0 {
			y += rowHeight
			s.Rows = append(s.Rows, arrow{Y: y, Gap: gaps[i]})
		}
		y += rowHeight
		s.Rows = append(s.Rows, r.arrow(e, lanes, y, &s))
	}
	if n := gaps[len(shown)]; n > 0 && len(shown) > 0 {
		y += rowHeight
		s.Rows = append(s.Rows, arrow{Y: y, Gap: n})
	}
	s.Height = y + rowHeight
	return s
}

// lay spreads the lanes over the width.
func (s *sequence) lay(lanes map[string]float64) {
	room := float64(pageWidth - seqLeft)
	for i := range s.Lanes {
		x := seqLeft + room*(float64(i)+0.5)/float64(len(s.Lanes))
		lanes[s.Lanes[i].Name] = x
		s.Lanes[i].X, s.Lanes[i].Name = x, shorter(s.Lanes[i].Name, 24)
		if i == 0 {
			s.First = x
		}
		s.Last = x
	}
}

func (r *Report) arrow(e Event, lanes map[string]float64, y int, s *sequence) arrow {
	text := e.Text
	if e.Conversation > 0 && e.Kind != KindChat && e.Kind != KindRepeat {
		text = fmt.Sprintf("%s (%d)", text, e.Conversation)
	}
	a := arrow{
		Y: y, Time: r.since(e.Time), Kind: e.Kind, From: lanes[e.From], To: lanes[e.To],
		Everybody: e.To == "", Text: shorter(text, 64), Full: clean(text), Conv: e.Conversation,
	}
	if a.Everybody {
		a.To = s.Last
		if a.From == s.Last {
			a.To = s.First
		}
	}
	a.TextX = (a.From + a.To) / 2
	if a.From == a.To {
		// One lane speaks to itself, or nobody else is there: a short arrow that ends beside it.
		a.To = a.From + 40
		a.TextX = a.From + 20
	}
	d := 8.0
	if a.To < a.From {
		d = -d
	}
	a.Head = fmt.Sprintf("%.1f,%d %.1f,%d %.1f,%d", a.To, y, a.To-d, y-4, a.To-d, y+4)
	return a
}
