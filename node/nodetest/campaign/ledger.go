package campaign

import (
	"fmt"
	"sync"
)

// room stands for the room where otherwise a member is talked to.
const inRoom = -1

// line is something somebody said, or tried to.
type line struct {
	id       string // "" if he was not told that it is kept
	text     string
	by, to   int  // to: a member, or inRoom
	mayLose  bool // nobody else had it when an older copy of his data was put back
	whenLate bool // the latecomer was in the room
}

// ledger is what was said. It is safe for concurrent use.
type ledger struct {
	mu    sync.Mutex
	lines []*line
	// The rules may hide what these said; from all of them if everybody.
	governed  map[int]bool
	everybody bool
}

// begin notes that somebody is about to say something: it may be kept from now
// on, whatever he is told.
func (l *ledger) begin(by, to int, late bool) *line {
	l.mu.Lock()
	defer l.mu.Unlock()
	x := &line{text: fmt.Sprintf("%s: line %d", name(by), len(l.lines)), by: by, to: to, whenLate: late}
	l.lines = append(l.lines, x)
	return x
}

// acknowledge notes that he was told that it is kept.
func (l *ledger) acknowledge(x *line, id string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	x.id = id
}

// acknowledged counts the lines that were.
func (l *ledger) acknowledged() (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, x := range l.lines {
		if x.id != "" {
			n++
		}
	}
	return n
}

// govern notes that the rules may hide what whom said.
func (l *ledger) govern(whom int) { l.governed[whom] = true }

func (l *ledger) mayHide(x *line) bool {
	return x.by != 0 && (l.everybody || l.governed[x.by])
}
