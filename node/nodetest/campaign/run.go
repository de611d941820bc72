package campaign

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"p2pchat/node/api"
)

// World is where a scenario happens. Members are numbered from 0, all run and
// have met; Hostile is the hostile one, if the world has her.
type World interface {
	// Service is a member's node as a face has it.
	Service(ctx context.Context, who int) (api.Service, error)
	ID(who int) string  // peer ID
	Dir(who int) string // the data directory
	// Ready is called once, when everybody but the latecomer is in the room.
	Ready(ctx context.Context, room string) error
	// Inflict does what is done to somebody, see [Doing].
	Inflict(ctx context.Context, s Step) error
	// Mend heals the network, puts clocks right and starts whoever is down.
	Mend(ctx context.Context) error
	// Usurped lists acts by event ID that must not count.
	Usurped() []string
}

// Config is how a scenario is run.
type Config struct {
	World    World
	Scenario Scenario
	// Patience is how long all have, once everything is mended, until they
	// agree; Calm how long news takes that is not repaired.
	Patience, Calm time.Duration
	// Logf is told what happens.
	Logf func(format string, args ...any)
}

// run is a scenario under way.
type run struct {
	Config
	ledger
	room string
	down map[int]bool
	in   map[int]bool // who entered and did not leave
	// Whose data was put back: what his node knows of the room may be older
	// than what we know.
	older map[int]bool
	// The hostile member acted as if she had not been banned: for who has not
	// heard of the ban, it counts.
	misled    bool
	passwords []string // of the room: the first, and all that were set since
}

// Run has a scenario happen and judges it. The error is the world's or the
// program's where a step that must succeed did not; what members are left with is
// in the Outcome.
func Run(ctx context.Context, c Config) (Outcome, error) {
	r := &run{
		Config: c, ledger: ledger{governed: map[int]bool{}},
		down: map[int]bool{}, in: map[int]bool{}, older: map[int]bool{},
		passwords: []string{c.Scenario.Password},
	}
	o := Outcome{Scenario: c.Scenario}
	if err := r.gather(ctx); err != nil {
		return o, fmt.Errorf("before anything happened: %w", err)
	}
	begun := time.Now()
	for i, s := range c.Scenario.Steps {
		time.Sleep(s.At - time.Since(begun))
		if err := r.step(ctx, s); err != nil {
			return o, fmt.Errorf("step %d, %s: %w", i, s, err)
		}
	}
	r.Logf("mended")
	if err := r.World.Mend(ctx); err != nil {
		return o, fmt.Errorf("mend: %w", err)
	}
	time.Sleep(r.Calm) // what is not repaired is over before it counts
	if err := r.peace(ctx); err != nil {
		return o, err
	}
	for i := range c.Scenario.Members {
		if err := r.say(ctx, i, inRoom); err != nil {
			return o, fmt.Errorf("%s is back: %w", name(i), err)
		}
	}
	o.Lines = r.acknowledged()
	for end := time.Now().Add(c.Patience); ; time.Sleep(r.Calm / 4) {
		o.Verdict = Verdict{}
		if err := r.judge(ctx, &o.Verdict); err != nil {
			return o, err
		}
		// What is kept twice stays so.
		if o.Verdict.OK() || len(o.Duplicated) > 0 || time.Now().After(end) {
			return o, nil
		}
	}
}

// gather has member 0 make the room and the others enter it.
func (r *run) gather(ctx context.Context) error {
	owner, err := r.World.Service(ctx, 0)
	if err != nil {
		return err
	}
	made, err := owner.CreateRoom(ctx, api.CreateRoomRequest{
		Name: "campaign", History: r.Scenario.History, Hidden: r.Scenario.Hidden, Password: []byte(r.Scenario.Password),
	})
	if err != nil {
		return err
	}
	r.room, r.in[0] = made.RoomID, true
	var others []int
	for i := 1; i < r.Scenario.Members-1; i++ {
		others = append(others, i)
	}
	if r.Scenario.Hostile {
		others = append(others, Hostile)
	}
	for _, i := range others {
		if err := r.join(ctx, i, time.Minute); err != nil || !r.in[i] {
			return fmt.Errorf("%s joins: %w", name(i), err)
		}
		standing := api.StandingAdmin
		if i != Hostile {
			standing = []string{api.StandingAdmin, api.StandingModerator, api.StandingMember}[i%3]
		}
		owns := r.Scenario.Password != "" && i == 1
		if owns {
			standing = api.StandingOwner
		}
		if r.Scenario.Governed || i == Hostile || owns {
			q := api.GovernRequest{Room: r.room, Act: api.ActGrant, Who: r.World.ID(i), Standing: standing}
			if _, err := owner.Govern(ctx, q); err != nil {
				return err
			}
		}
	}
	time.Sleep(r.Calm / 4)
	return r.World.Ready(ctx, r.room)
}

// step does a step.
func (r *run) step(ctx context.Context, s Step) error {
	r.Logf("%s", s)
	switch s.Do {
	case Say, Leave, Join, Nick, Subject, Govern, Configure, Retract, Password:
		if r.down[s.Who] {
			return nil
		}
		return r.act(ctx, s)
	case Kill:
		return r.kill(ctx, s)
	case Restore:
		return r.restore(ctx, s)
	case Stop:
		r.down[s.Who] = true
	case Start:
		delete(r.down, s.Who)
	case Attack:
		r.misled = r.misled || s.What == Backdate
	}
	return r.World.Inflict(ctx, s)
}

// kill kills somebody while he speaks. What he is told from that moment on is
// not counted as told.
func (r *run) kill(ctx context.Context, s Step) error {
	svc, err := r.World.Service(ctx, s.Who)
	if err != nil {
		return err
	}
	var mu sync.Mutex
	var dying bool
	var talk sync.WaitGroup
	target := r.room
	if !r.in[s.Who] {
		s.N = 0
	}
	for range s.N {
		x := r.begin(s.Who, inRoom, r.in[r.Scenario.Members-1])
		talk.Go(func() {
			rec, err := svc.Send(ctx, api.SendRequest{Target: target, Text: x.text})
			mu.Lock()
			defer mu.Unlock()
			if err == nil && !dying {
				r.acknowledge(x, rec.ID)
			}
		})
	}
	if s.N%2 == 1 { // so that some of them are kept, or the answers under way
		time.Sleep(time.Millisecond)
	}
	mu.Lock()
	dying = true
	mu.Unlock()
	r.down[s.Who] = true
	err = r.World.Inflict(ctx, s)
	talk.Wait()
	return err
}

// restore puts an older copy of somebody's data in the place of what he has.
// Only what other honest ones have is then still promised.
func (r *run) restore(ctx context.Context, s Step) error {
	elsewhere := map[string]bool{}
	for i := range r.Scenario.Members {
		if i == s.Who {
			continue
		}
		held, err := Disk(ctx, r.World.Dir(i))
		if err != nil {
			return err
		}
		for id := range held {
			elsewhere[id] = true
		}
	}
	r.down[s.Who], r.older[s.Who] = true, true
	if err := r.World.Inflict(ctx, s); err != nil {
		return err
	}
	left, err := Disk(ctx, r.World.Dir(s.Who))
	if err != nil {
		return err
	}
	for _, x := range r.lines {
		x.mayLose = x.mayLose || x.by == s.Who && !elsewhere[x.id] && left[x.id].Copies == 0
	}
	return nil
}

// peace is what the owner makes, until everybody is in the room. He may hear
// only now what others did to somebody.
func (r *run) peace(ctx context.Context) error {
	for end := time.Now().Add(r.Patience); ; time.Sleep(r.Calm / 20) {
		err := r.reconcile(ctx)
		if err == nil {
			return nil
		}
		if time.Now().After(end) {
			return fmt.Errorf("peace: %w", err)
		}
	}
}

func (r *run) reconcile(ctx context.Context) error {
	owner, err := r.World.Service(ctx, 0)
	if err != nil {
		return err
	}
	state, err := owner.RoomState(ctx, r.room)
	if err != nil {
		return err
	}
	var set []api.Setting
	for _, s := range []api.Setting{{Key: "access", Value: api.AccessOpen}, {Key: "moderated", Value: "false"}} {
		if state.Config[s.Key] != s.Value {
			set = append(set, s)
		}
	}
	if len(set) > 0 {
		r.Logf("peace: %v", set)
		if _, err := owner.Configure(ctx, api.ConfigureRequest{Room: r.room, Set: set}); err != nil {
			return err
		}
	}
	for i := 1; i < r.Scenario.Members; i++ {
		if err := r.pardon(ctx, owner, state, i); err != nil {
			return err
		}
	}
	members, err := owner.Members(ctx, r.room)
	if err != nil {
		return err
	}
	for i := 1; i < r.Scenario.Members; i++ {
		listed := slices.ContainsFunc(members, func(m api.Member) bool { return m.PeerID == r.World.ID(i) })
		if listed && r.in[i] && r.joined(ctx, i) {
			continue
		}
		if err := r.join(ctx, i, r.Calm/4); err != nil || !r.in[i] {
			return fmt.Errorf("%s cannot enter, or is put out: %w", name(i), cmp.Or(err, errors.New("refused")))
		}
		return fmt.Errorf("%s has just entered", name(i))
	}
	return nil
}

// pardon has the owner undo what was done to a member.
func (r *run) pardon(ctx context.Context, owner api.Service, state api.RoomState, i int) error {
	if !r.Scenario.Governed {
		return nil
	}
	id := r.World.ID(i)
	p := api.PersonState{Standing: api.StandingNone}
	for _, x := range state.People {
		if x.PeerID == id {
			p = x
		}
	}
	acts := []api.GovernRequest{}
	if p.Standing != api.StandingMember {
		acts = append(acts, api.GovernRequest{Act: api.ActGrant, Standing: api.StandingMember})
	}
	if p.Voice == "devoiced" {
		acts = append(acts, api.GovernRequest{Act: api.ActVoice})
	}
	for _, q := range acts {
		q.Room, q.Who = r.room, id
		r.Logf("peace: %s %s %s", q.Act, name(i), q.Standing)
		if _, err := owner.Govern(ctx, q); err != nil {
			return err
		}
	}
	return nil
}

func (r *run) joined(ctx context.Context, i int) bool {
	svc, err := r.World.Service(ctx, i)
	if err != nil {
		return false
	}
	rooms, err := svc.Rooms(ctx, false)
	return err == nil && slices.ContainsFunc(rooms, func(x api.Room) bool { return x.RoomID == r.room && x.Joined })
}

// refused tells whether a room may answer so where people are governed, come and
// go, or were put back.
func refused(err error) bool {
	var known *api.Error
	if !errors.As(err, &known) {
		return false
	}
	switch known.Code {
	case api.CodeNotJoined, api.CodeUsage, api.CodeNotFound:
		return true
	}
	return known.Code.Exit() == api.CodeForbidden.Exit()
}
