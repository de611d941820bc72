package tui

import (
	"slices"

	"p2pchat/node/api"
)

// pageSize is how many messages are asked for at once, at least.
const pageSize = 100

// line is one message as the transcript holds it. Name and Text are clean.
type line struct {
	api.Message
	told  uint64 // number of the change that told of it last, 0 if a page did
	block block  // as last rendered
}

// later tells whether l stands below o.
func (l *line) later(o *line) bool {
	if !l.Time.Equal(o.Time.Time) {
		return l.Time.After(o.Time.Time)
	}
	return l.Log != "" && l.Log == o.Log && l.Author == o.Author && l.Seq > o.Seq
}

// transcript holds the loaded part of one conversation, oldest first: a
// contiguous run that ends with the newest message, once loaded, unless it stands
// apart.
type transcript struct {
	lines []*line
	byID  map[string]*line
	// room: many logs, so that what was said apart arrives late and belongs
	// further up; and lines may be hidden again.
	room bool

	loaded  bool            // the newest page has arrived once
	stale   bool            // changes were missed: load the newest page again
	loading bool            // a page has been asked for
	told    uint64          // changes that told of a line
	asked   uint64          // told, when the newest page was asked for
	whole   bool            // there is nothing older
	apart   apart           // where it is when it is not the newest
	hidden  map[string]bool // IDs hidden since a page was asked for
	// early was told of meanwhile, and is older than all that is loaded: the page
	// may reach past it.
	early []*line

	// reached is the highest sequence number per log and state that a change
	// has told of: a page read before the change may arrive after it.
	reached map[reachKey]uint64

	fresh  string // ID of the first message that was new when last looked at
	marked string // ID up to which the service was told that it was read
	bottom anchor // what is at the bottom of the pane
	hit    *line  // the search result shown
}

type reachKey struct{ log, state string }

// anchor is a row of a message; the zero anchor is the newest row and follows
// new messages.
type anchor struct {
	line *line
	row  int
}

var stateRank = map[string]int{api.Queued: 1, api.Sent: 2, api.Delivered: 3, api.Read: 4}

func (t *transcript) init() {
	t.byID = map[string]*line{}
	t.reached = map[reachKey]uint64{}
	t.hidden = map[string]bool{}
}

func newLine(msg api.Message) *line {
	msg.Name, msg.Nick, msg.Text = clean(msg.Name), clean(msg.Nick), cleanText(msg.Text) // reactions when they are shown
	return &line{Message: msg}
}

// append takes a message that is new, or says again what is known of one. It
// tells whether it was new.
func (t *transcript) append(msg api.Message) bool {
	l := newLine(msg)
	t.lift(l)
	t.told++
	delete(t.hidden, msg.ID)
	if old := t.byID[msg.ID]; old != nil {
		if stateRank[l.State] < stateRank[old.State] {
			l.State = old.State
		}
		old.Message = l.Message
		if t.room {
			old.told = t.told
		}
		return false
	}
	l.told = t.told
	t.apart.missed = true
	if t.apart.on {
		return true
	}
	return t.place(l)
}

// place puts a new line at the end, or in a room where its time says. What is
// older than all that is loaded is left for scrolling up to load: false. So is
// with one person what was told of again because something became of it; else it
// is news, however long it was under way.
func (t *transcript) place(l *line) bool {
	at := len(t.lines)
	for t.room && at > 0 && t.lines[at-1].later(l) {
		at--
	}
	if len(t.lines) > 0 && t.lines[0].later(l) && (t.room || l.amended()) && t.loaded && !t.whole {
		if t.loading {
			t.early = append(t.early, l)
		}
		return false
	}
	t.byID[l.ID] = l
	t.lines = slices.Insert(t.lines, at, l)
	return true
}

// hide takes a line out.
func (t *transcript) hide(id string) {
	if t.loading || t.apart.sought != "" {
		t.hidden[id] = true // the page may still hold it
	}
	t.early = slices.DeleteFunc(t.early, func(l *line) bool { return l.ID == id })
	l := t.byID[id]
	if l == nil {
		return
	}
	at := slices.Index(t.lines, l)
	t.lines = slices.Delete(t.lines, at, at+1)
	delete(t.byID, id)
	if t.bottom.line == l {
		t.bottom = anchor{}
		if at > 0 && at < len(t.lines) {
			t.bottom = anchor{t.lines[at-1], 1 << 20} // its last row
		}
	}
	if t.hit == l {
		t.hit = nil
	}
	if t.fresh == id {
		t.fresh = ""
		if next := slices.IndexFunc(t.lines[at:], (*line).isNews); next >= 0 {
			t.fresh = t.lines[at+next].ID
		}
	}
}

// isNews tells whether somebody else said it: what counts as unread, and can
// be marked as read.
func (l *line) isNews() bool { return l.State == api.Received && isSaid(l.Kind) }

// isSaid tells whether a message of this kind concerns whoever reads it: what
// was said, and what is asked between two people about a room.
func isSaid(kind string) bool {
	switch kind {
	case api.MessageInvite, api.MessageAnswer, api.MessageVoiceRequest:
		return true
	}
	return api.Listed(kind)
}

// reach applies a state change: all of a log up to a sequence number.
func (t *transcript) reach(c api.StateChange) {
	k := reachKey{c.Log, c.State}
	t.reached[k] = max(t.reached[k], c.Seq)
	for _, l := range t.lines {
		t.lift(l)
	}
}

// lift raises a message of ours to the state that changes have told of.
func (t *transcript) lift(l *line) {
	if stateRank[l.State] == 0 {
		return
	}
	for state, rank := range stateRank {
		if seq, ok := t.reached[reachKey{l.Log, state}]; ok && rank > stateRank[l.State] && l.Seq <= seq {
			l.State = state
		}
	}
}

// ask notes that the newest page is asked for: what arrives from now on is
// newer than whatever of it is known.
func (t *transcript) ask() {
	t.stale, t.asked = false, t.told
	clear(t.hidden)
	t.early = nil
}

// newest takes the newest page. What arrived since it was asked for stays
// behind it; what was loaded before is dropped unless the page reaches it, so
// that there is never a hole. In a room it is dropped anyway: some of it may
// have been hidden unheard.
func (t *transcript) newest(page []api.Message, asked int) {
	t.loaded = true
	kept, old := t.byID, t.lines
	t.lines, t.byID = nil, map[string]*line{}
	put := func(l *line) {
		if t.byID[l.ID] == nil {
			t.byID[l.ID] = l
			t.lines = append(t.lines, l)
		}
	}
	if len(page) > 0 && !t.room {
		first := slices.IndexFunc(old, func(l *line) bool { return l.ID == page[0].ID })
		for _, l := range old[:max(first, 0)] {
			put(l)
		}
	}
	if len(page) < asked {
		t.whole = true
	} else if len(t.lines) == 0 {
		t.whole = false // the page goes back at least as far as was known
	}
	for _, m := range page {
		l := newLine(m)
		switch old := kept[m.ID]; { // the anchor may point at it
		case t.hidden[m.ID]:
			continue
		case old != nil && t.room && old.told > t.asked:
			l = old // the page is older
		case old != nil:
			if stateRank[l.State] < stateRank[old.State] {
				l.State = old.State
			}
			old.Message = l.Message
			l = old
		}
		t.lift(l)
		put(l)
	}
	for _, l := range old {
		switch {
		case l.told <= t.asked || t.byID[l.ID] != nil:
		case t.room:
			t.place(l)
		default:
			put(l)
		}
	}
	t.settle()
	if t.bottom.line != nil && t.byID[t.bottom.line.ID] != t.bottom.line {
		t.bottom = anchor{}
	}
	if t.hit != nil && t.byID[t.hit.ID] != t.hit {
		t.hit = nil
	}
}

// older takes a page of what came before the first loaded message.
func (t *transcript) older(page []api.Message, asked int) {
	var ls []*line
	for _, m := range page {
		if t.byID[m.ID] != nil || t.hidden[m.ID] {
			continue
		}
		l := newLine(m)
		t.lift(l)
		t.byID[m.ID] = l
		ls = append(ls, l)
	}
	t.lines = append(ls, t.lines...)
	t.whole = len(page) < asked
	t.settle()
}

// settle ends what was noted while a page was under way.
func (t *transcript) settle() {
	t.loading = false
	clear(t.hidden)
	early := t.early
	t.early = nil
	for _, l := range slices.Backward(early) { // the newest that was told of a line
		if t.byID[l.ID] == nil {
			t.lift(l)
			t.place(l)
		}
	}
}

// clear empties the screen; scrolling up loads what was there again.
func (t *transcript) clear() {
	t.lines, t.byID, t.whole, t.apart = nil, map[string]*line{}, false, apart{}
	t.bottom, t.fresh, t.hit = anchor{}, "", nil
}

// first is the ID of the oldest loaded message, "" if there is none.
func (t *transcript) first() string {
	if len(t.lines) == 0 {
		return ""
	}
	return t.lines[0].ID
}

// at is the index of the line at the bottom of the pane, -1 if there is none.
func (t *transcript) at() int {
	if t.bottom.line == nil {
		return len(t.lines) - 1
	}
	return slices.Index(t.lines, t.bottom.line)
}

// setFresh puts the new-message marker before the last n messages of others.
func (t *transcript) setFresh(n int) {
	t.fresh = ""
	for i := len(t.lines) - 1; i >= 0 && n > 0; i-- {
		if t.lines[i].isNews() {
			t.fresh = t.lines[i].ID
			n--
		}
	}
}

// lastReceived is the newest message of others up to index at, nil if none.
func (t *transcript) lastReceived(at int) *line {
	for i := min(at, len(t.lines)-1); i >= 0; i-- {
		if t.lines[i].isNews() {
			return t.lines[i]
		}
	}
	return nil
}
