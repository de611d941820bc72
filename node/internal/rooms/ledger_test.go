package rooms

import (
	"context"
	"maps"
	"slices"
	"time"

	"p2pchat/protocol/envelope"
	"p2pchat/protocol/event"
	"p2pchat/protocol/room"
)

func (d *disk) OwnLog(_ context.Context, id event.Conversation) (event.LogKey, error) {
	done, err := d.begin("OwnLog")
	defer done()
	return d.of(id).own, err
}

func (d *disk) Found(_ context.Context, body []byte, nick string, joined bool, key envelope.Key) (*event.Event, error) {
	done, err := d.begin("Found")
	defer done()
	if err != nil {
		return nil, err
	}
	d.clock = d.clock.Next(time.Now())
	e, err := event.Sign(d.key, event.Header{Lane: event.LaneControl, Kind: room.KindGenesis, Time: d.clock}, body)
	if err != nil {
		return nil, err
	}
	id := event.Conversation(e.ID)
	r := d.of(id)
	r.insert(e)
	r.keys[e.ID] = key
	d.members[id] = Membership{Room: id, Joined: joined, Nick: nick}
	return e, nil
}

func (d *disk) Append(_ context.Context, id event.Conversation, drafts []room.Draft) ([]*event.Event, error) {
	done, err := d.begin("Append")
	defer done()
	if err != nil {
		return nil, err
	}
	r := d.of(id)
	var out []*event.Event
	for _, x := range drafts {
		d.clock = d.clock.Next(time.Now())
		h := event.Header{Conversation: id, Lane: x.Lane, Kind: x.Kind, Ctl: x.Ctl, Time: d.clock}
		if x.Chained {
			h.Ctl = []event.ID{out[len(out)-1].ID}
		}
		if x.Lane == event.LaneMessage {
			head := r.frontier()[r.own]
			h.Log, h.Seq, h.Prev = r.own.Log, head.Seq+1, head.ID
		}
		e, err := event.Sign(d.key, h, x.Body)
		if err != nil {
			return nil, err
		}
		r.insert(e)
		r.verdicts[e.ID] = room.Visible
		out = append(out, e)
	}
	return out, nil
}

func (d *disk) Commit(_ context.Context, id event.Conversation, b Batch) (Committed, error) {
	done, err := d.begin("Commit")
	defer done()
	if err != nil {
		return Committed{}, err
	}
	r := d.of(id)
	r.commits = append(r.commits, b)
	for _, e := range slices.Concat(b.Control, b.Messages) {
		if e.Author == d.key.ID() && e.Key() == r.own && r.frontier()[r.own].Seq < e.Seq {
			r.own.Log[7]++ // somebody else goes on with it
		}
		r.insert(e)
	}
	maps.Copy(r.verdicts, b.Verdicts)
	for x := range b.Verdicts {
		r.spoil(x)
	}
	for _, x := range b.Dropped {
		r.spoil(x)
		r.messages = slices.DeleteFunc(r.messages, func(e *event.Event) bool { return e.ID == x })
	}
	return Committed{At: time.Now()}, nil
}
