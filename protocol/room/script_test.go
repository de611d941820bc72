package room

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"p2pchat/protocol/event"
)

// options are what stands in brackets at the end of a line.
type options struct {
	knowing events // cites only these, with their ancestors
	under   int    // names this act as authority
	log     int    // speaks in this log
	after   int    // after this message; -2: in the first place
	fresh   bool   // in a fresh log
	low     bool   // with an ID ground low
}

func (s *scenario) options(words []string) (o options, rest []string, err error) {
	o = options{under: -1, log: -1, after: -1}
	at := slices.IndexFunc(words, func(w string) bool { return strings.HasPrefix(w, "(") })
	if at < 0 {
		return o, words, nil
	}
	numbers := func(ws []string) (out []int, err error) {
		for _, w := range ws {
			n, err := strconv.Atoi(strings.TrimLeft(w, "#m"))
			if err != nil {
				return nil, err
			}
			out = append(out, n)
		}
		return out, nil
	}
	for _, opt := range strings.Split(strings.Trim(strings.Join(words[at:], " "), "()"), ", ") {
		f := strings.Fields(opt)
		ns, e := numbers(f[1:])
		switch {
		case opt == "fresh log":
			o.fresh = true
		case opt == "low ID":
			o.low = true
		case f[0] == "knowing" && e == nil:
			o.knowing = one(0)
			for _, n := range ns {
				o.knowing |= one(n)
			}
			o.knowing = s.closed(o.knowing)
		case f[0] == "under" && e == nil && len(ns) == 1:
			o.under = ns[0]
		case opt == "first":
			o.after = -2
		case f[0] == "after" && e == nil && len(ns) == 1:
			o.after = ns[0]
		case f[0] == "log" && e == nil && len(ns) == 1:
			o.log = ns[0]
		default:
			return o, nil, fmt.Errorf("option %q", opt)
		}
	}
	return o, words[:at], nil
}

var errWords = errors.New("not understood")

// does lets who act or speak.
func (s *scenario) does(who int, words []string, o options) error {
	a := &act{author: who, target: -1, honest: true, heard: maps.Clone(s.actors[who].held)}
	rest := strings.Join(words[1:], " ")
	switch words[0] {
	case "joins":
		return s.speaks(who, KindJoin, "joins", o)
	case "leaves":
		return s.speaks(who, KindLeave, "leaves", o)
	case "says":
		return s.speaks(who, event.KindText, rest, o)
	case "subject":
		return s.speaks(who, KindSubject, rest, o)
	case "destroys":
		a.kind = KindDestroy
		return s.acts(a, "destroys the room", o)
	case "sets":
		x, err := ParseSetting(words[1], strings.Join(words[2:], " "))
		if err != nil {
			return err
		}
		a.kind, a.field, a.value, a.text = KindConfigure, x.Field, x.Number, x.Text
		return s.acts(a, "sets "+rest, o)
	case "retracts":
		n, err := strconv.Atoi(strings.TrimPrefix(words[1], "m"))
		if err != nil {
			return err
		}
		a.kind, a.about, a.target = KindRetract, n, s.line(n).author
		if len(words) == 4 { // "of" somebody else
			if a.target, err = s.person(words[3]); err != nil {
				return err
			}
		}
		return s.acts(a, "retracts "+rest, o)
	}
	if len(words) < 2 {
		return errWords
	}
	var err error
	if a.target, err = s.person(words[1]); err != nil {
		return err
	}
	switch words[0] {
	case "makes":
		standing, ok := ParseStanding(words[2])
		if !ok {
			return errWords
		}
		a.kind, a.standing = KindSet, standing
	case "bans":
		a.kind, a.standing = KindSet, Outcast
	case "unbans":
		a.kind, a.standing = KindSet, None
	case "kicks":
		a.kind = KindKick
	case "voices":
		a.kind = KindVoice
	case "devoices":
		a.kind = KindDevoice
	default:
		return errWords
	}
	return s.acts(a, strings.Join(words, " "), o)
}

func (s *scenario) line(n int) *line { return s.lines[n] }

// acts issues a, under the best standing its author has where none is named.
func (s *scenario) acts(a *act, did string, o options) error {
	n := s.actors[a.author]
	if a.anc = n.knows; o.knowing != 0 {
		a.anc = o.knowing
	}
	if a.auth = o.under; a.auth < 0 {
		w := s.world(n.knows)
		if _, by := w.standsBy(n.knows, a.author); by != nil {
			a.auth = by.n
		}
	}
	if a.auth < 0 {
		s.result("refused: no standing")
		return nil
	}
	a.cut = s.cutFor(a, n.held)
	if !s.admit(a, n.knows) {
		s.result("refused")
		return nil
	}
	n.knows |= one(a.n) | a.anc
	s.did[a.n] = s.names[a.author] + " " + did
	s.result("#%d", a.n)
	return nil
}

// speaks issues a message, in its author's log where none is named.
func (s *scenario) speaks(who int, kind event.Kind, text string, o options) error {
	n := s.actors[who]
	m := &line{kind: kind, author: who, prev: -1, past: n.knows, honest: true, log: n.log}
	if o.log >= 0 {
		m.log = o.log
	}
	if o.knowing != 0 {
		m.past = o.knowing
	}
	if n.log < 0 || o.fresh {
		m.log = s.logs + 1
	}
	if m.prev = o.after; m.prev >= 0 {
		m.log, m.seq = s.lines[m.prev].log, s.lines[m.prev].seq
	} else if o.after == -1 {
		for i := range n.held {
			if x := s.lines[i]; x.name() == m.name() && x.seq > m.seq {
				m.seq, m.prev = x.seq, i
			}
		}
	}
	m.seq++
	m.id = s.id(o.low)
	if !s.say(m, n.knows) {
		s.result("refused")
		return nil
	}
	s.logs, n.log = max(s.logs, m.log), m.log
	n.held[m.n] = true
	s.texts[m.n] = s.names[who] + ": " + text
	s.result("m%d in log %d, seq %d", m.n, m.log, m.seq)
	return nil
}
