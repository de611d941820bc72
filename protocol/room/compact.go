package room

import (
	"errors"
	"fmt"
	"slices"

	"p2pchat/protocol/event"
)

// Archive is where the messages of a room are stored, for a [Room] that reads
// again what it gave up. What it gives are messages handed in, held and not
// dropped since, without those the room refused.
type Archive interface {
	// Line lists the messages of log k from seq from to seq to, by seq.
	Line(k event.LogKey, from, to uint64) ([]*event.Event, error)
	// Find gives message id, nil if it is not held.
	Find(id event.ID) (*event.Event, error)
}

// ErrArchive: the archive does not give back what was handed in.
var ErrArchive = errors.New("room: the archive lacks what was stored")

// loosenChunk is how many messages are read again at a time.
const loosenChunk = 1024

// Compact lets the room give up the particulars of most messages, once a number
// of them has come since the last time: of an unbroken line in one log, said in the
// same situation and judged alike, it keeps where it begins and ends. All that
// was handed in has to be in the archive, which is asked from now on for what is
// needed again: a message that somebody retracts, that a cut ends at, that is
// claimed twice, or whose verdict changes.
// It tells whether it did something.
func (r *Room) Compact(a Archive, after int) bool {
	r.archive = a
	if r.loose < after+2*r.kept { // what could not be given up is looked at again and again
		return false
	}
	r.loose, r.kept = 0, 0
	for _, l := range r.logs {
		r.compactLog(l)
		r.kept += len(l.messages)
	}
	return true
}

// Line is an unbroken line of messages of which the particulars were given up.
type Line struct {
	event.LogKey
	First, Last uint64     // seq
	Prev        event.ID   // before the first
	ID          event.ID   // of the last
	Time        event.Time // of the last
	Kind        event.Kind // of one of them
	Ctl         []event.ID // cited by all
	Verdict     Verdict    // on all
}

// Lines lists the lines of at least so many messages, for [Room.AddLines] of
// another Room of the same events.
func (r *Room) Lines(least uint64) []Line {
	var out []Line
	for _, l := range r.logs {
		for _, m := range l.messages {
			if m.seq-m.first+1 < max(least, 2) {
				continue
			}
			line := Line{
				LogKey: l.key, First: m.first, Last: m.seq, Prev: m.prev, ID: m.id, Time: m.time, Kind: m.kind, Verdict: m.verdict,
			}
			for _, h := range m.past.heads {
				line.Ctl = append(line.Ctl, r.controls[h].id)
			}
			out = append(out, line)
		}
	}
	return out
}

// AddLines takes in lines in place of the messages they stand for, which have to
// be in the archive, and messages: those of a log in their order, after the
// control events they cite. It is AddMessage with a memory. The error is that of
// a line that does not fit; the Room is not to be used then.
func (r *Room) AddLines(a Archive, lines []Line, events ...*event.Event) (Effects, error) {
	r.archive = a
	t := r.touch()
	for _, line := range lines {
		if err := r.addLine(line, t); err != nil {
			return Effects{}, err
		}
	}
	for _, e := range events {
		t.Results = append(t.Results, Result{e.ID, r.addMessage(e, t)})
	}
	r.retry(events, t)
	r.settle(t)
	return t.Effects, r.broken
}

func (r *Room) addLine(line Line, t *touched) error {
	p, err := r.pastOf(line.Ctl)
	if err != nil {
		return err
	}
	m := &message{
		id: line.ID, prev: line.Prev, author: r.person(line.Author), first: line.First, seq: line.Last, time: line.Time, kind: line.Kind,
		past: p, verdict: line.Verdict,
	}
	if !m.plain() || m.first >= m.seq || r.stored(m) != nil {
		return fmt.Errorf("%w: no line from %d to %d", ErrArchive, line.First, line.Last)
	}
	r.keep(p)
	m.kicks = r.kicksOn(p, m.author)
	l := r.logOf(line.LogKey, m.author)
	m.log = l
	i, _ := slices.BinarySearchFunc(l.messages, m, compareSlot)
	l.messages = slices.Insert(l.messages, i, m)
	r.messages[m.id] = m
	l.linked = false
	t.logs[l] = true
	return nil
}

// Split makes messages by themselves again that acts and cuts name which were
// handed in before the lines that they are in.
func (r *Room) Split() Effects {
	t := r.touch()
	single := func(id event.ID) {
		r.single(id)
		if m := r.messages[id]; m != nil {
			t.logs[m.log] = true
		}
	}
	for id := range r.retracts {
		single(id)
	}
	for at := range r.tips {
		if r.messages[at.id] == nil {
			single(at.id)
		}
	}
	r.settle(t)
	return t.Effects
}

func (r *Room) compactLog(l *log) {
	l.link()
	out := make([]*message, 0, 4)
	for _, m := range l.messages {
		if n := len(out); n > 0 && r.joinable(out[n-1], m) {
			last := out[n-1]
			delete(r.messages, last.id)
			line := *last
			line.seq, line.id, line.time = m.seq, m.id, m.time
			out[n-1] = &line
			r.messages[m.id] = &line
			continue
		}
		out = append(out, m)
	}
	if len(out) < len(l.messages) {
		l.messages = slices.Clip(out)
		l.linked = false
		l.link()
	}
}

// joinable tells whether m goes on the line that ends with last, and neither end
// is needed by itself.
func (r *Room) joinable(last, m *message) bool {
	return last.plain() && m.plain() && m.first == last.seq+1 && m.prev == last.id && m.run == last.run &&
		m.past == last.past && m.verdict == last.verdict && slices.Equal(m.kicks, last.kicks) &&
		len(m.log.slot(last.seq)) == 1 && len(m.log.slot(m.first)) <= 1 && len(m.log.slot(m.seq)) == 1 &&
		r.tips[tip{last.log.key, last.id}] == 0 && r.retracts[last.id] == nil && r.retracts[m.id] == nil
}

// plain tells whether nothing but the verdict is ever asked of m.
func (m *message) plain() bool {
	switch m.kind {
	case KindJoin, KindLeave, KindNick, KindSubject, KindEpoch:
		return false
	}
	return true
}

// lineAt is the line in l of which seq is a part, nil if there is none.
func (l *log) lineAt(seq uint64) *message {
	if i := l.at(seq); i < len(l.messages) && l.messages[i].first < l.messages[i].seq && l.messages[i].first <= seq {
		return l.messages[i]
	}
	return nil
}

// Holds tells whether message e is held.
func (r *Room) Holds(e *event.Event) bool {
	if r.messages[e.ID] != nil {
		return true
	}
	l := r.logs[e.Key()]
	if l == nil || l.lineAt(e.Seq) == nil {
		return false
	}
	events := r.read(l.key, e.Seq, e.Seq)
	return len(events) == 1 && events[0].ID == e.ID
}

// holding is message id, or the line it is a part of; nil if it is not held.
func (r *Room) holding(id event.ID) *message {
	if m := r.messages[id]; m != nil || r.archive == nil {
		return m
	}
	m, _ := r.lineOf(id)
	return m
}

// lineOf is the line that message id is a part of, and its seq.
func (r *Room) lineOf(id event.ID) (*message, uint64) {
	e, err := r.archive.Find(id)
	if err != nil {
		r.fail(err)
	}
	if err != nil || e == nil || r.logs[e.Key()] == nil {
		return nil, 0
	}
	return r.logs[e.Key()].lineAt(e.Seq), e.Seq
}

// single makes message id one by itself, if it is held.
func (r *Room) single(id event.ID) {
	m := r.messages[id]
	switch {
	case m != nil:
		r.loosen(m, m.seq, m.seq)
	case r.archive != nil:
		if m, seq := r.lineOf(id); m != nil {
			r.loosen(m, seq, seq)
		}
	}
}

// loosen makes those from seq from to seq to of line m messages by themselves
// again, and tells whether it could.
func (r *Room) loosen(m *message, from, to uint64) bool {
	if m.first == m.seq {
		return true
	}
	events := r.read(m.log.key, from, to)
	if len(events) == 0 {
		return false
	}
	var parts []*message
	part := func(first, last uint64, prev, id event.ID, time event.Time, kind event.Kind) {
		p := *m
		p.first, p.seq, p.prev, p.id, p.time, p.kind = first, last, prev, id, time, kind
		p.before, p.run = nil, nil
		parts = append(parts, &p)
	}
	if from > m.first {
		part(m.first, from-1, m.prev, events[0].Prev, m.time, m.kind)
	}
	for _, e := range events {
		part(e.Seq, e.Seq, e.Prev, e.ID, e.Time, e.Kind)
	}
	if to < m.seq {
		part(to+1, m.seq, events[len(events)-1].ID, m.id, m.time, m.kind)
	} else if events[len(events)-1].ID != m.id {
		r.fail(fmt.Errorf("%w: message %s", ErrArchive, m.id))
		return false
	}
	l := m.log
	at := slices.Index(l.messages, m)
	l.messages = slices.Replace(l.messages, at, at+1, parts...)
	l.linked = false
	for _, p := range parts {
		r.messages[p.id] = p
	}
	r.loose += len(parts)
	return true
}

// read gives an unbroken piece of a line from the archive; nothing if it does
// not have it.
func (r *Room) read(k event.LogKey, from, to uint64) []*event.Event {
	events, err := r.archive.Line(k, from, to)
	whole := err == nil && uint64(len(events)) == to-from+1
	for i := 0; whole && i < len(events); i++ {
		whole = events[i].Seq == from+uint64(i) && (i == 0 || events[i].Prev == events[i-1].ID)
	}
	if err == nil && !whole {
		err = fmt.Errorf("%w: log %s from %d to %d", ErrArchive, k.Log, from, to)
	}
	if err != nil {
		r.fail(err)
		return nil
	}
	return events
}

func (r *Room) fail(err error) {
	if r.broken == nil {
		r.broken = err
	}
}

// Err is why the room can no longer be relied on, nil if it can: the archive
// failed. What was said of events since may be wrong, and it takes a new [Room].
func (r *Room) Err() error { return r.broken }
