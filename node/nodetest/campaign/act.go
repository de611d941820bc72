package campaign

import (
	"context"
	"slices"
	"time"

	"p2pchat/node/api"
)

// joinWait is how long somebody who enters waits for anybody to let him in.
const joinWait = 2 * time.Second

// act does what somebody does through his own node.
func (r *run) act(ctx context.Context, s Step) error {
	svc, err := r.World.Service(ctx, s.Who)
	if err != nil {
		return err
	}
	switch s.Do {
	case Say:
		to := inRoom
		if len(s.With) > 0 {
			to = s.With[0]
		}
		for range s.N {
			if err := r.say(ctx, s.Who, to); err != nil {
				return err
			}
		}
		return nil
	case Leave:
		_, err = svc.LeaveRoom(ctx, r.room)
		delete(r.in, s.Who)
	case Join:
		return r.join(ctx, s.Who, joinWait)
	case Nick:
		_, err = svc.JoinRoom(ctx, api.JoinRoomRequest{Room: r.room, Nick: s.To})
	case Subject:
		_, err = svc.SetSubject(ctx, r.room, s.To)
	case Configure:
		r.everybody = true
		_, err = svc.Configure(ctx, api.ConfigureRequest{Room: r.room, Set: []api.Setting{{Key: s.What, Value: s.To}}})
	case Govern:
		r.govern(s.With[0])
		_, err = svc.Govern(ctx, api.GovernRequest{Room: r.room, Act: s.What, Who: r.World.ID(s.With[0]), Standing: s.To})
	case Retract:
		err = r.retract(ctx, svc, s)
	case Password:
		if s.To != "" { // it may be in force whatever he is told
			r.passwords = append(r.passwords, s.To)
		}
		_, err = svc.Configure(ctx, api.ConfigureRequest{Room: r.room, Password: []byte(s.To), NoPassword: s.To == ""})
	}
	return r.tolerate(s.Who, err)
}

// tolerate passes over an error that who had to expect.
func (r *run) tolerate(who int, err error) error {
	if err != nil && refused(err) && (r.Scenario.Governed || !r.in[who] || r.older[who] || r.misled) {
		r.Logf("%s was refused: %v", name(who), err)
		return nil
	}
	return err
}

// say has somebody say a line to a member or in the room.
func (r *run) say(ctx context.Context, who, to int) error {
	if to == inRoom && !r.in[who] {
		return nil
	}
	svc, err := r.World.Service(ctx, who)
	if err != nil {
		return err
	}
	target := r.room
	if to != inRoom {
		target = r.World.ID(to)
	}
	x := r.begin(who, to, r.in[r.Scenario.Members-1])
	rec, err := svc.Send(ctx, api.SendRequest{Target: target, Text: x.text})
	if err == nil {
		r.acknowledge(x, rec.ID)
	}
	if to != inRoom {
		return err
	}
	return r.tolerate(who, err)
}

// join has somebody enter, with the newest password or an earlier one: which of those
// set in two parts is in force is not his to know, nor which was undone. Nobody may be
// there to let him in, or he may not.
func (r *run) join(ctx context.Context, who int, wait time.Duration) error {
	svc, err := r.World.Service(ctx, who)
	if err != nil {
		return err
	}
	for _, word := range slices.Backward(r.passwords) {
		_, err = svc.JoinRoom(ctx, api.JoinRoomRequest{Room: r.room, Wait: wait, Password: []byte(word)})
		if err == nil {
			r.in[who] = true
			return nil
		}
	}
	delete(r.in, who)
	r.Logf("%s does not get in: %v", name(who), err)
	return r.tolerate(who, err)
}

// retract takes a line back, of those svc shows the one with number N.
func (r *run) retract(ctx context.Context, svc api.Service, s Step) error {
	lines, err := svc.Log(ctx, api.LogQuery{Target: r.room})
	if err != nil || len(lines) == 0 {
		return err
	}
	l := lines[s.N%len(lines)]
	for i := range r.Scenario.Members {
		if r.World.ID(i) == l.Author {
			r.govern(i)
		}
	}
	_, err = svc.Govern(ctx, api.GovernRequest{Room: r.room, Act: api.ActRetract, ID: l.ID})
	return err
}
