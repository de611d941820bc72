package room

import (
	"bytes"
	"cmp"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/libp2p/go-libp2p/core/peer"

	"p2pchat/protocol/event"
)

// State is a room's state as a value. It is the same on every node that has the
// same events.
type State struct {
	Room      event.Conversation
	Creator   peer.ID
	Config    []Value // every field, ascending
	People    []PersonState
	Ended     event.ID // the event that destroyed the room; zero if none did
	Reason    string
	Alternate event.Conversation
	Topic     Topic // zero if there is none
	Covered   int   // control events that the root is over
	Root      [32]byte
}

// Value is a field's value and the event that set it: the genesis for what
// nothing changed.
type Value struct {
	Setting
	By event.ID
}

// PersonState is what the room decided of one person.
type PersonState struct {
	Peer     peer.ID
	Standing Standing
	Depth    int      // grants between him and the creator
	By       event.ID // zero for a standing nobody gave
	Voice    Voice
	VoiceBy  event.ID // zero if unset
}

// State is the room's state now.
func (r *Room) State() State {
	s := State{Room: r.id, Creator: r.Creator(), Covered: r.CoveredCount(), Root: r.Root()}
	for f := FieldName; f < fields; f++ {
		v := Value{r.config[f], event.ID(r.id)}
		if c := r.register(r.all.set, r.all.eff, r.setters[f]); c != nil {
			v.By = c.id
		}
		s.Config = append(s.Config, v)
	}
	for i, p := range r.people {
		stands, by := r.standingOf(i)
		ps := PersonState{Peer: p.id, Standing: stands.rank, Depth: stands.depth}
		if by >= 0 {
			ps.By = r.controls[by].id
		}
		if c := r.register(r.all.set, r.all.eff, p.voices); c != nil {
			ps.Voice, ps.VoiceBy = r.voice(r.all.set, r.all.eff, i), c.id
		}
		if by >= 0 || ps.Voice != VoiceUnset {
			s.People = append(s.People, ps)
		}
	}
	slices.SortFunc(s.People, func(a, b PersonState) int { return cmp.Compare(a.Peer, b.Peer) })
	if r.ended != nil {
		s.Ended, s.Reason, s.Alternate = r.ended.id, r.ended.Reason, r.ended.Alternate
	}
	s.Topic, _ = r.Topic()
	return s
}

// Encode is the canonical form: lines of UTF-8 that end in a line feed, words
// separated by one space, texts as JSON strings. docs/ROOMS.md has the grammar.
func (s State) Encode() []byte {
	var b bytes.Buffer
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("p2pchat room state 1")
	line("room %s", s.Room)
	line("creator %s", s.Creator)
	line("control %d %s", s.Covered, hex.EncodeToString(s.Root[:]))
	for _, v := range s.Config {
		line("config %s %s by %s", v.Field.Key(), v.canonical(), v.By)
	}
	for _, p := range s.People {
		if p.Standing != None || !p.By.IsZero() {
			line("standing %s %s %d by %s", p.Peer, p.Standing, p.Depth, p.By)
		}
		if p.Voice != VoiceUnset {
			line("voice %s %s by %s", p.Peer, p.Voice, p.VoiceBy)
		}
	}
	if !s.Ended.IsZero() {
		alternate := "-"
		if s.Alternate != (event.Conversation{}) {
			alternate = s.Alternate.String()
		}
		line("destroyed %s %s by %s", alternate, quote(s.Reason), s.Ended)
	}
	if !s.Topic.ID.IsZero() {
		line("subject %s %s by %s", s.Topic.Author, quote(s.Topic.Text), s.Topic.ID)
	}
	return b.Bytes()
}

// canonical is the setting's value in the canonical form: a text as a JSON
// string, a choice by its name, a time in whole milliseconds.
func (s Setting) canonical() string {
	switch fieldSpecs[s.Field].form {
	case formText:
		return quote(s.Text)
	case formMillis:
		return fmt.Sprintf("%dms", s.Number)
	case formHistory:
		switch s.Number {
		case historyLast:
			return fmt.Sprintf("last %d", s.Amount)
		case historySince:
			return fmt.Sprintf("since %dms", s.Amount)
		}
	}
	return s.Value()
}

// quote is s as a JSON string without needless escapes.
func quote(s string) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(s); err != nil { // a string always has a JSON form
		panic(err)
	}
	return string(bytes.TrimSuffix(b.Bytes(), []byte("\n")))
}
