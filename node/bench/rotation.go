package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"p2pchat/node/api"
)

const (
	boardMembers = 100
	// acquainted is how many addresses each is given: with those who have his, he
	// is connected to about twice as many, well below what a node keeps.
	acquainted = 10
)

// rotation measures how long after a ban the last member connected holds a key
// that leaves the banned out.
func rotation(ctx context.Context, b *bench) (t table, err error) {
	c, err := newCompany(ctx, b, boardMembers+1, acquainted)
	if err != nil {
		return t, err
	}
	defer func() { err = errors.Join(err, c.close()) }()
	if err := c.settleIn(ctx, api.CreateRoomRequest{Name: "board", MembersOnly: true}, acquainted*3/4); err != nil {
		return t, err
	}
	time.Sleep(5 * time.Second) // joins and receipts
	half := row{What: "the median member", Unit: "ms"}
	last := row{What: "the last member", Unit: "ms"}
	for range b.runs {
		took, err := c.remove(ctx)
		if err != nil {
			return t, err
		}
		half.Subject, last.Subject = append(half.Subject, median(took)), append(last.Subject, quantile(took, 1))
		time.Sleep(2 * time.Second)
	}
	t.Rows = []row{half, last}
	links := 0
	for _, e := range c.ends {
		s, err := e.RoomStatus(ctx, c.room)
		if err != nil {
			return t, err
		}
		links += len(s.Peers)
	}
	t.Notes = []string{fmt.Sprintf("From the owner's ban of somebody until a member sends under the new epoch, as its status tells. %d whole\n"+
		"nodes in one process, a members-only room, each node connected to %.0f others on average: the owner hands\n"+
		"the key to those connected to him, the others fetch it when they hear of it.",
		boardMembers, float64(links)/float64(len(c.ends)))}
	return t, nil
}

// remove bans the last of the company and has him back. It returns when each of
// the others held the new key, in milliseconds.
func (c *company) remove(ctx context.Context) ([]float64, error) {
	banned := c.ends[len(c.ends)-1]
	who := c.ids[len(c.ids)-1]
	before, err := c.ends[0].RoomStatus(ctx, c.room)
	if err != nil {
		return nil, err
	}
	took := make([]float64, len(c.ends)-1)
	start := time.Now()
	if err := c.govern(ctx, api.GovernRequest{Act: api.ActBan, Who: who}); err != nil {
		return nil, err
	}
	for left := len(took); left > 0; time.Sleep(2 * time.Millisecond) {
		if time.Since(start) > giveUp {
			return nil, fmt.Errorf("%d members hold no new key", left)
		}
		for i := range took {
			if took[i] > 0 {
				continue
			}
			s, err := c.ends[i].RoomStatus(ctx, c.room)
			if err != nil {
				return nil, err
			}
			if s.Epoch != "" && s.Epoch != before.Epoch {
				took[i] = millis(time.Since(start))
				left--
			}
		}
	}
	if err := c.govern(ctx, api.GovernRequest{Act: api.ActGrant, Who: who, Standing: api.StandingMember}); err != nil {
		return nil, err
	}
	if err := c.enter(ctx, banned); err != nil {
		return nil, fmt.Errorf("back into the room: %w", err)
	}
	return took, c.until(ctx, func(s api.RoomStatus) bool { return s.Members == len(c.ends) })
}
