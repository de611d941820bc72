package event

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"unicode"
	"unicode/utf8"

	"github.com/libp2p/go-libp2p/core/peer"
	"google.golang.org/protobuf/proto"

	"p2pchat/protocol/pb"
)

// Limits of reactions.
const (
	MaxReaction  = 32 // bytes of UTF-8
	MaxReactions = 8  // of one author to one text; of more the newest are shown
	// MaxReacting is how many events of [KindReact] about one text count, the newest,
	// so that nobody makes it costly to look at.
	MaxReacting = 1024
)

// ErrReaction is of a text that is no reaction, for callers that answer it
// differently.
var ErrReaction = fmt.Errorf("a reaction has 1 to %d bytes of UTF-8 in one line, such as an emoji", MaxReaction)

// Amends tells whether an event of this kind is about another one.
func (k Kind) Amends() bool { return k == KindEdit || k == KindRetract || k == KindReact }

// Amendable tells whether an event of this kind can be edited, retracted and
// reacted to.
func (k Kind) Amendable() bool { return k == KindText || k == KindPrivate }

// Amendment is what an edit, a retraction or a reaction says of a text.
type Amendment struct {
	Target ID     // the text's
	Text   string // an edit: in place of the text; a reaction: itself
	Undo   bool   // a reaction is taken away
}

func (a Amendment) check(kind Kind) error {
	if a.Target.IsZero() {
		return errors.New("which text is not said")
	}
	switch {
	case kind == KindEdit && !a.Undo:
		return checkText(a.Text)
	case kind == KindRetract && !a.Undo && a.Text == "":
		return nil
	case kind == KindReact:
		return checkReaction(a.Text)
	}
	return fmt.Errorf("kind %d says more than it may", kind)
}

func checkReaction(s string) error {
	if s == "" || len(s) > MaxReaction || !utf8.ValidString(s) {
		return ErrReaction
	}
	for _, r := range s {
		if unicode.In(r, unicode.Cc, unicode.Zl, unicode.Zp) {
			return ErrReaction
		}
	}
	return nil
}

// EncodeAmendment gives the body of an event of this kind. Errors: ErrReaction,
// those of [EncodeText].
func EncodeAmendment(kind Kind, a Amendment) ([]byte, error) {
	if err := a.check(kind); err != nil {
		return nil, err
	}
	return proto.Marshal(&pb.AmendBody{Target: a.Target[:], Text: a.Text, Undo: a.Undo})
}

// DecodeAmendment is the strict inverse of [EncodeAmendment].
func DecodeAmendment(kind Kind, body []byte) (Amendment, error) {
	var m pb.AmendBody
	if err := proto.Unmarshal(body, &m); err != nil {
		return Amendment{}, errors.New("malformed body of an amendment")
	}
	a := Amendment{Text: m.Text, Undo: m.Undo}
	if err := fixed("target", a.Target[:], m.Target, false); err != nil {
		return Amendment{}, err
	}
	canonical, err := EncodeAmendment(kind, a)
	if err != nil {
		return Amendment{}, err
	}
	if !bytes.Equal(canonical, body) {
		return Amendment{}, errors.New("an amendment is not in its canonical form")
	}
	return a, nil
}

// Amendment is what e says of a text; ok is false if it says nothing of one: it is
// of another kind, or its body was dropped.
func (e *Event) Amendment() (a Amendment, ok bool) {
	if e.Lane != LaneMessage || !e.Kind.Amends() || e.Body == nil {
		return Amendment{}, false
	}
	a, err := DecodeAmendment(e.Kind, e.Body)
	return a, err == nil
}

// Amended is what became of a text.
type Amended struct {
	Retracted bool   // its author took it back: nothing of it is to be seen
	Edit      *Event // the edit shown in its place, nil if none
	Text      string // Edit's
	Reactions []Reaction
}

// Reaction is one that stands.
type Reaction struct {
	Text string
	By   []peer.ID // who reacted so, the first to do so first
}

// Amend tells what became of text m by those events among others, which count if
// they are of its conversation and about it. It does not matter in which order
// they come. Edits and retractions count if they are m's author's own. A
// retraction counts for ever; of edits the last in the order of display, and of
// the reactions of one person with the same text likewise.
func Amend(m *Event, others []*Event) Amended {
	var out Amended
	if m.Lane != LaneMessage || !m.Kind.Amendable() {
		return out
	}
	var reacting []*Event
	for _, e := range others {
		a, ok := e.Amendment()
		if !ok || a.Target != m.ID || e.Conversation != m.Conversation {
			continue
		}
		switch own := e.Author == m.Author; {
		case e.Kind == KindReact:
			reacting = append(reacting, e)
		case own && e.Kind == KindRetract:
			return Amended{Retracted: true}
		case own && e.Kind == KindEdit && (out.Edit == nil || out.Edit.Before(e)):
			out.Edit, out.Text = e, a.Text
		}
	}
	out.Reactions = reactions(reacting)
	return out
}

// reactions gathers those that stand by text, in the order in which they were made.
func reactions(events []*Event) []Reaction {
	type register struct {
		by   peer.ID
		text string
	}
	slices.SortFunc(events, func(a, b *Event) int {
		if b.Before(a) {
			return -1
		}
		return 1
	})
	decided := map[register]bool{}
	count := map[peer.ID]int{}
	var standing []*Event // the newest first
	for _, e := range events[:min(len(events), MaxReacting)] {
		a, _ := e.Amendment()
		r := register{e.Author, a.Text}
		if !decided[r] && !a.Undo && count[e.Author] < MaxReactions {
			count[e.Author]++
			standing = append(standing, e)
		}
		decided[r] = true
	}
	var out []Reaction
	for _, e := range slices.Backward(standing) {
		a, _ := e.Amendment()
		i := slices.IndexFunc(out, func(r Reaction) bool { return r.Text == a.Text })
		if i < 0 {
			out, i = append(out, Reaction{Text: a.Text}), len(out)
		}
		out[i].By = append(out[i].By, e.Author)
	}
	return out
}
