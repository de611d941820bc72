package main

import (
	"context"
	"errors"
	"fmt"

	"p2pchat/node/api"
	"p2pchat/protocol/envelope/pake"
)

// entered is how many rooms of each kind somebody enters in a run.
const entered = 5

// admission measures how long somebody waits who enters a room.
func admission(ctx context.Context, b *bench) (t table, err error) {
	open := row{What: "enter an open room, p50", Unit: "ms"}
	guarded := row{What: "enter a room with a password, p50", Unit: "ms"}
	for i := range b.runs {
		if err := enter(ctx, b, fmt.Sprintf("enter-%d", i), &open, &guarded); err != nil {
			return t, err
		}
	}
	t.Rows = []row{open, guarded}
	t.Notes = []string{
		fmt.Sprintf("`JoinRoom`, by room ID, at a node connected to the room's only member over TCP; %d rooms of each kind per\n"+
			"run, none entered before. Yardstick: a row committed here, sent, committed there, answered, as for direct\n"+
			"messages; with a password also the password stretched once (Argon2id), which keeps guesses dear.", entered),
	}
	return t, nil
}

// enter is one run, with two nodes that never met.
func enter(ctx context.Context, b *bench, name string, open, guarded *row) error {
	r, err := meet(ctx, b, name, transports[1].listen)
	if err != nil {
		return err
	}
	password := []byte("open sesame")
	for _, kind := range []struct {
		row      *row
		password []byte
	}{{open, nil}, {guarded, password}} {
		var ids []string
		for i := range entered {
			made, err := r.ends[1].CreateRoom(ctx, api.CreateRoomRequest{Name: fmt.Sprintf("room %d", i), Password: kind.password})
			if err != nil {
				return errors.Join(err, r.close())
			}
			ids = append(ids, made.RoomID)
		}
		settle()
		next := 0
		subj, err1 := timed(entered, func() error {
			_, err := r.ends[0].JoinRoom(ctx, api.JoinRoomRequest{Room: ids[next], Password: kind.password, Wait: giveUp})
			next++
			return err
		})
		settle()
		yard, err2 := timed(entered, func() error {
			if kind.password != nil {
				pake.Stretch([32]byte{}, 1, kind.password)
			}
			return r.trip(payload)
		})
		if err := errors.Join(err1, err2); err != nil {
			return errors.Join(err, r.close())
		}
		kind.row.Subject, kind.row.Yardstick = append(kind.row.Subject, median(subj)), append(kind.row.Yardstick, median(yard))
	}
	return r.close()
}
