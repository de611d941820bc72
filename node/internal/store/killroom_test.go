package store

import (
	"fmt"
	"testing"
	"time"

	"p2pchat/protocol/event"
)

// killGenesis is that of the room in which a writer that will be killed writes.
func killGenesis(k key) (*event.Event, error) {
	return event.Sign(k, event.Header{Lane: event.LaneControl, Kind: 16, Time: event.At(start)}, []byte("genesis"))
}

// roomStep is one change of a room, which is there as a whole or not at all: a
// control event, two messages for the next place; of the two before, the higher
// goes and the lower is hidden. It returns the lower of the new ones.
func roomStep(tx *Tx, k key) (*event.Event, error) {
	genesis, err := killGenesis(k)
	if err != nil {
		return nil, err
	}
	room := event.Conversation(genesis.ID)
	log := event.LogKey{Author: k.ID(), Log: event.LogID{1}}
	h, there, err := tx.Head(room, log)
	if err != nil {
		return nil, err
	}
	if !there {
		if _, err := tx.InsertControl(room, genesis, start); err != nil {
			return nil, err
		}
		if err := tx.PutRoom(RoomRow{Conv: room, Joined: true}); err != nil {
			return nil, err
		}
	} else {
		before, err := tx.Range(room, event.Range{LogKey: log, From: h.Seq, To: h.Seq}, 1<<20)
		if err != nil {
			return nil, err
		}
		if len(before) != 2 {
			return nil, fmt.Errorf("%d messages at the head", len(before))
		}
		if err := tx.SetVerdict(before[0].ID, VerdictHidden); err != nil {
			return nil, err
		}
		if err := tx.DropEvent(before[1].ID); err != nil {
			return nil, err
		}
	}
	control, err := event.Sign(k, event.Header{
		Conversation: room, Lane: event.LaneControl, Kind: 17, Ctl: []event.ID{genesis.ID}, Time: event.At(time.Now()),
	}, fmt.Append(nil, h.Seq))
	if err != nil {
		return nil, err
	}
	if _, err := tx.InsertControl(room, control, start); err != nil {
		return nil, err
	}
	var lower *event.Event
	for claim := range 2 {
		body, err := event.EncodeText(fmt.Sprint("claim ", claim))
		if err != nil {
			return nil, err
		}
		e, err := event.Sign(k, event.Header{
			Conversation: room, Lane: event.LaneMessage, Kind: event.KindText, Log: log.Log, Seq: h.Seq + 1, Prev: h.ID,
			Ctl: []event.ID{control.ID}, Time: event.At(time.Now()),
		}, body)
		if err != nil {
			return nil, err
		}
		if _, err := tx.InsertRoom(e, start, VerdictVisible, false); err != nil {
			return nil, err
		}
		if lower == nil || e.ID.Compare(lower.ID) < 0 {
			lower = e
		}
	}
	return lower, nil
}

// checkRoomSteps finds whole steps only, and adds what is held to held.
func checkRoomSteps(t *testing.T, s *Store, held map[event.ID]uint64) {
	t.Helper()
	genesis, err := killGenesis(testKey(t, 1))
	if err != nil {
		t.Fatal(err)
	}
	room := event.Conversation(genesis.ID)
	steps, visible := 0, 0
	var last uint64
	err = s.EachRoomMessage(t.Context(), room, func(e *event.Event, v Verdict) error {
		if e.Seq != last {
			steps++
		}
		if last = e.Seq; v == VerdictVisible {
			visible++
		}
		held[e.ID] = e.Seq
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if steps == 0 {
		return
	}
	control, err := s.Controls(t.Context(), room)
	if err != nil || len(control) != steps+1 || last != uint64(steps) || visible != 2 {
		t.Errorf("%d steps up to %d, %d control events, %d visible, %v", steps, last, len(control), visible, err)
	}
	f, err := s.Frontier(t.Context(), room)
	if h := f[event.LogKey{Author: genesis.Author, Log: event.LogID{1}}]; err != nil || h.Seq != last || held[h.ID] != last {
		t.Errorf("head %v after %d steps, %v", h, steps, err)
	}
	c, err := s.Conversation(t.Context(), room)
	if err != nil || c.Unread != 2 {
		t.Errorf("%d unread, %v", c.Unread, err)
	}
}
