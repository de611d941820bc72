package transcript

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"google.golang.org/protobuf/proto"

	"p2pchat/protocol/event"
	"p2pchat/protocol/pb"
	"p2pchat/protocol/room"
)

// Version is that of the format.
const Version = 1

// Format is one of the three forms.
type Format string

const (
	Text  Format = "text"
	Lines Format = "jsonl"
	HTML  Format = "html"
)

// Formats lists them.
var Formats = []Format{Text, Lines, HTML}

// ErrAltered: a file is not what was exported.
var ErrAltered = errors.New("altered")

// Header is what the exporter says of the document.
type Header struct {
	Version      int       `json:"p2pchat_transcript"`
	Conversation string    `json:"conversation"` // hex
	Kind         string    `json:"kind"`         // direct or room
	Name         string    `json:"name"`         // of the room, or of the other person
	Logging      *bool     `json:"logging"`      // whether the room was logged; null for two people
	Exported     time.Time `json:"exported"`     // UTC, whole milliseconds
	By           string    `json:"by"`           // peer ID
	// Names says how the authors and people acted on are called, by peer ID.
	Names map[string]string `json:"names"`
}

// Document is a conversation as exported: its events in the order of display. What
// was taken back has no body.
type Document struct {
	Header Header
	Events []*event.Event
}

// Report is what a check found good.
type Report struct {
	Format  Format
	Header  Header
	Events  int
	Authors int
	Missing uint64 // places of logs between the first and the last in the file that are not
	Forks   int    // places that hold more than one event of an author
	// Bare counts events that are in the file without what they say, though nothing
	// in it took that back: it was not at hand when the file was made, or somebody
	// took it out since.
	Bare int
	// BareEdits counts edits without what they say: which text they were of stood in
	// that, so it cannot be told whether that was taken back, and they with it.
	BareEdits int
}

// New makes a document, which keeps events.
func New(h Header, events []*event.Event) *Document {
	h.Version, h.Exported = Version, h.Exported.UTC().Truncate(time.Millisecond)
	return &Document{h, events}
}

// Retracted is an event without its body: it shows that something was said.
func Retracted(e *event.Event) *event.Event {
	bare := *e
	bare.Body = nil
	return &bare
}

// Verify checks the events: signatures, that they are of this conversation and in
// order, and that within a log each names the one before as its predecessor where
// that is here. What it cannot know: whether something was left out at either end,
// and what the header says.
func (d *Document) Verify() (Report, error) {
	h := d.Header
	if h.Version != Version {
		return Report{}, fmt.Errorf("version %d of the format is not known", h.Version)
	}
	if _, err := peer.Decode(h.By); err != nil {
		return Report{}, fmt.Errorf("who exported it, %q, is no peer ID", h.By)
	}
	r := Report{Header: h, Events: len(d.Events)}
	authors := map[peer.ID]bool{}
	logs := map[event.LogKey][]*event.Event{}
	seen := map[event.ID]bool{}
	for i, e := range d.Events {
		in := e.Conversation
		if e.Lane == event.LaneControl && e.Kind == room.KindGenesis {
			in = event.Conversation(e.ID) // it is what names the room
		}
		switch {
		case in.String() != h.Conversation:
			return Report{}, fmt.Errorf("event %s is of another conversation", e.ID)
		case seen[e.ID]:
			return Report{}, fmt.Errorf("event %s is here twice", e.ID)
		case i > 0 && e.Before(d.Events[i-1]):
			return Report{}, fmt.Errorf("event %s is out of order", e.ID)
		}
		if err := e.Verify(); err != nil {
			return Report{}, err
		}
		seen[e.ID], authors[e.Author] = true, true
		if e.Lane == event.LaneMessage {
			logs[e.Key()] = append(logs[e.Key()], e)
		}
	}
	r.Authors = len(authors)
	gone := d.takenBack()
	for _, e := range d.Events {
		switch {
		case e.HasBody() || gone[text{e.ID, e.Author}]:
		case e.Kind == event.KindEdit:
			r.BareEdits++
		default:
			r.Bare++
		}
	}
	for _, log := range logs {
		slices.SortFunc(log, func(a, b *event.Event) int {
			if a.Seq != b.Seq {
				return int(int64(a.Seq) - int64(b.Seq))
			}
			return a.ID.Compare(b.ID)
		})
		same := 0 // where those with the seq of the one before begin
		for i, e := range log[1:] {
			before := log[i]
			if before.Seq != log[same].Seq {
				same = i
			}
			switch {
			case e.Seq == before.Seq:
				r.Forks++
			case e.Seq > before.Seq+1:
				r.Missing += e.Seq - before.Seq - 1
			case !slices.ContainsFunc(log[same:i+1], func(p *event.Event) bool { return p.ID == e.Prev }):
				return Report{}, fmt.Errorf("event %s does not follow the one before it in its log", e.ID)
			}
		}
	}
	return r, nil
}

// text names a text of somebody.
type text struct {
	id event.ID
	by peer.ID
}

// takenBack gives the texts that the document takes back: their authors did, or
// somebody whose retraction has effect by the rules of the room, as far as its
// control lane is here.
func (d *Document) takenBack() map[text]bool {
	out := map[text]bool{}
	for _, e := range d.Events {
		if a, ok := e.Amendment(); ok && e.Kind == event.KindRetract {
			out[text{a.Target, e.Author}] = true
		}
	}
	rules := d.rules()
	if rules == nil {
		return out
	}
	for _, x := range rules.Audit(d.name) {
		if x.Op.Kind == room.KindRetract && x.Effective {
			out[text{x.Op.Message, x.Op.Target}] = true
		}
	}
	return out
}

// rules are those of the room, nil if its genesis is not here.
func (d *Document) rules() *room.Room {
	var rules *room.Room
	var lane []*event.Event
	for _, e := range d.Events {
		switch {
		case e.Lane != event.LaneControl:
		case e.Kind != room.KindGenesis:
			lane = append(lane, e)
		case e.ID.String() == d.Header.Conversation:
			rules, _ = room.New(e)
		}
	}
	// In the order of time one may come before another that it cites.
	for before := -1; rules != nil && len(lane) != before; {
		before = len(lane)
		var missing *room.MissingError
		results := rules.AddControl(lane...).Results
		left := lane[:0:0]
		for i, res := range results {
			if errors.As(res.Err, &missing) {
				left = append(left, lane[i])
			}
		}
		lane = left
	}
	return rules
}

func encode(e *event.Event) ([]byte, error) { return proto.Marshal(e.Wire()) }

func decode(b []byte) (*event.Event, error) {
	var m pb.Event
	if err := proto.Unmarshal(b, &m); err != nil {
		return nil, fmt.Errorf("an event is malformed: %w", err)
	}
	return event.FromWire(&m)
}
