package store

import "p2pchat/protocol/event"

// tally holds the rows of logs that a Tx has yet to write: a batch of events changes
// the same few again and again. An insert keeps them here; they are written before
// any other statement runs, and at the end.
type tally map[logName]*logRow

type logName struct {
	conv event.Conversation
	key  event.LogKey
}

// memo is what the writer knows of the file from one transaction to the next. It
// forgets it when a statement runs that may change it otherwise than settle does,
// and when something is undone.
type memo struct {
	logs  map[logName]logRow
	nicks map[event.Conversation]string // ours in rooms
}

// maxMemo is how many of each are known.
const maxMemo = 512

func newMemo() *memo { return &memo{map[logName]logRow{}, map[event.Conversation]string{}} }

func (m *memo) forget() {
	clear(m.logs)
	clear(m.nicks)
}

// putOff begins what neither asks of those rows nor writes them: until the function
// that it returns is called, they stay as they are, and the memo too.
func (tx *Tx) putOff() func() {
	was := tx.apart
	tx.due, tx.apart = nil, true
	return func() {
		if tx.apart = was; !was && len(tx.tally) > 0 {
			tx.due = tx.settle
		}
	}
}

// log is the row of a log to be changed, made if it is new. Error: ErrTooManyLogs.
func (tx *Tx) log(conv event.Conversation, k event.LogKey) (*logRow, error) {
	name := logName{conv, k}
	if l := tx.tally[name]; l != nil {
		return l, nil
	}
	l, known := tx.memo.logs[name]
	if !known {
		var err error
		if l, err = tx.ensureLog(conv, k); err != nil {
			return nil, err
		}
	}
	if tx.tally == nil {
		tx.tally = tally{}
	}
	tx.tally[name] = &l
	return &l, nil
}

// settle writes what was put off.
func (tx *Tx) settle() error {
	rows := tx.tally
	tx.tally = nil
	defer tx.putOff()()
	for name, l := range rows {
		if !l.moved {
			continue
		}
		if l.closed {
			if err := tx.walk(l); err != nil {
				return err
			}
		}
		if err := tx.saveLog(l); err != nil {
			return err
		}
		tx.headMoved(name.conv, name.key, l)
		if l.moved, l.closed, l.clock = false, false, nil; len(tx.memo.logs) >= maxMemo {
			clear(tx.memo.logs)
		}
		tx.memo.logs[name] = *l
	}
	return nil
}

// advance moves the head over e, just inserted. What had waited for it follows
// when the row is written.
func (l *logRow) advance(e *event.Event) {
	seq := int64(e.Seq)
	waiting := l.top > seq
	l.top, l.moved = max(l.top, seq), true
	switch {
	case seq == l.head && (l.headID == nil || e.ID.Compare(*l.headID) < 0): // a fork at the head
		l.headID = &e.ID
	case seq == l.head+1 && !l.closed:
		l.head, l.headID, l.closed = seq, &e.ID, waiting
	}
}
