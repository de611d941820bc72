package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	ma "github.com/multiformats/go-multiaddr"

	"p2pchat/node/api"
)

// reconnections is how many tell what one costs.
const reconnections = 20

// reconnecting closes the connection of two members who hold the same of a room
// again and again, and gives the CPU time that both take, in milliseconds, until
// they are connected and know that they hold the same. Error: skipped.
func reconnecting(ctx context.Context, a, b *end, room string) (float64, error) {
	if err := acquaint(ctx, a, b); err != nil {
		return 0, err
	}
	settle()
	before, err := ownCPU()
	if err != nil {
		return 0, err
	}
	for range reconnections / 2 {
		// A capture with keys opens connections anew when it begins and when it ends.
		begun := time.Now()
		for s, err := range a.CaptureSecrets(ctx) {
			if err != nil {
				return 0, err
			}
			if s.Type == api.SecretReopened {
				if err := inStep(ctx, room, begun, a, b); err != nil {
					return 0, err
				}
				begun = time.Now()
				break
			}
		}
		if err := inStep(ctx, room, begun, a, b); err != nil {
			return 0, err
		}
	}
	after, err := ownCPU()
	return millis(after-before) / reconnections, err
}

// acquaint has each of two know where the other one listens. Without mDNS only
// who dialled knows, and where his ID is the higher one he waits two seconds for
// the other, each time.
func acquaint(ctx context.Context, a, b *end) error {
	for _, pair := range [][2]*end{{a, b}, {b, a}} {
		st, err := pair[1].Status(ctx)
		if err != nil {
			return err
		}
		if err := pair[0].AddPeer(ctx, st.Addrs[0]); err != nil {
			return err
		}
	}
	return nil
}

// inStep waits until all have found out since then that they hold the same as
// somebody else. It asks seldom, since it counts.
func inStep(ctx context.Context, room string, since time.Time, all ...*end) error {
	for deadline := since.Add(giveUp); ; time.Sleep(100 * time.Millisecond) {
		synced := 0
		for _, e := range all {
			s, err := e.RoomStatus(ctx, room)
			if err != nil {
				return err
			}
			if s.LastSync.After(since) && len(s.SyncPeers) > 0 {
				synced++
			}
		}
		if synced == len(all) {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%d of %d are in step after %v", synced, len(all), giveUp)
		}
	}
}

// emptyReconnecting is reconnecting in a room in which nothing was said.
func emptyReconnecting(ctx context.Context, b *bench) (ms float64, err error) {
	l, err := b.library(ctx, 0)
	if err != nil {
		return 0, err
	}
	dir, err := os.MkdirTemp(b.dir, "empty-")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	old, err := l.open(ctx, filepath.Join(dir, "old"))
	if err != nil {
		return 0, err
	}
	defer func() { err = old.stop(err) }()
	st, err := old.Status(ctx)
	if err != nil {
		return 0, err
	}
	begun := time.Now()
	comer, err := startNode(ctx, filepath.Join(dir, "new"), "newcomer", transports[1].listen, []ma.Multiaddr{ma.StringCast(st.Addrs[0])})
	if err != nil {
		return 0, err
	}
	defer func() { err = comer.stop(err) }()
	if _, err := comer.JoinRoom(ctx, api.JoinRoomRequest{Room: l.room, Wait: giveUp}); err != nil {
		return 0, err
	}
	if err := inStep(ctx, l.room, begun, old, comer); err != nil {
		return 0, err
	}
	return reconnecting(ctx, old, comer, l.room)
}
