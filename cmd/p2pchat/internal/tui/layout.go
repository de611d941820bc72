package tui

// layout says which parts fit on a screen and how large they are, in cells.
// A width or height of 0 means that the part is not shown.
type layout struct {
	w, h int
	top  bool // the line with the names
	rule bool // the line above the input

	foot    int // rows below the input
	notices int // rows for standing warnings
	input   int // rows
	people  int // columns, without the separator
	details int // columns, without the separator
	mid     int // columns of the messages
	body    int // rows of the messages
}

// Widths below which a pane is given up, and the most rows of parts that grow.
const (
	minPeople  = 60
	minDetails = 104
	minMembers = 88 // in a room the pane is narrower
	maxInput   = 6
	maxFoot    = 4
	maxNotices = 2
)

// newLayout lays out a screen of w by h cells; input, foot and notices are the
// rows that these parts would like to have; room: there are members on the right.
func newLayout(w, h, input, foot, notices int, room bool) layout {
	l := layout{w: max(w, 1), h: max(h, 1)}
	left := l.h
	take := func(n int) bool {
		if left-n < 1 { // one row of messages at least
			return false
		}
		left -= n
		return true
	}
	l.input = 1
	left-- // the input is never given up, not even for the messages
	if take(1) {
		l.foot = 1
	}
	l.top = take(1)
	l.rule = l.h >= 6 && take(1)
	grow := func(rows *int, want int) {
		for *rows < want && take(1) {
			*rows++
		}
	}
	if l.foot > 0 {
		grow(&l.foot, min(foot, maxFoot, l.h/4))
	}
	grow(&l.notices, min(notices, maxNotices, l.h/8))
	grow(&l.input, min(input, maxInput, l.h/3))
	l.body = max(left, 0)

	l.mid = l.w
	if l.w >= minPeople {
		l.people = min(max(l.w/5, 16), 28)
		l.mid -= l.people + 1
	}
	switch {
	case room && l.w >= minMembers:
		l.details = min(max(l.w/5, 20), 32)
		l.mid -= l.details + 1
	case !room && l.w >= minDetails:
		l.details = min(max(l.w/4, 26), 40)
		l.mid -= l.details + 1
	}
	return l
}
