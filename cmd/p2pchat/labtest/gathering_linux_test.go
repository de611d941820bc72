package labtest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"p2pchat/node/api"
	"p2pchat/node/nodetest/lab"
)

// What scripts rely on in the output of the commands about rooms.
type (
	roomRow struct {
		RoomID    string `json:"room_id"`
		Name      string `json:"name"`
		Visible   bool   `json:"visible"`
		Access    string `json:"access"`
		Joined    bool   `json:"joined"`
		Occupants int    `json:"occupants"`
	}
	entry struct {
		RoomID   string `json:"room_id"`
		Standing string `json:"standing"`
		Role     string `json:"role"`
	}
	member struct {
		PeerID   string `json:"peer_id"`
		Name     string `json:"name"`
		Nick     string `json:"nick"`
		Standing string `json:"standing"`
		Role     string `json:"role"`
		Presence string `json:"presence"`
	}
	roomStatus struct {
		Peers    []string `json:"peers"`
		Members  int      `json:"members"`
		Present  int      `json:"present"`
		Root     string   `json:"root"`
		Digest   string   `json:"digest"`
		Messages uint64   `json:"messages"`
		Parked   int      `json:"parked"`
		Missing  bool     `json:"missing"`
	}
)

// together does something for everybody at the same time and waits.
func together(all []*person, do func(p *person)) {
	var wg sync.WaitGroup
	for _, p := range all {
		wg.Go(func() { do(p) })
	}
	wg.Wait()
}

// gathering is a room and those in it.
type gathering struct {
	t   *testing.T
	l   *lab.Lab
	id  string
	all []*person
}

// gather has the first of them make a room and the others join it.
func gather(t *testing.T, l *lab.Lab, all []*person, args ...string) *gathering {
	t.Helper()
	g := &gathering{t: t, l: l, all: all}
	g.id = object[entry](all[0], append([]string{"room", "create", "dev"}, args...)...).RoomID
	together(all[1:], func(p *person) { p.joins(g.id) })
	l.Within(3*time.Second, time.Now(), fmt.Sprintf("%d list each other", len(all)), g.listed)
	return g
}

// five is a lab of that many in a room.
func five(t *testing.T) *gathering { return some(t, 5) }

func some(t *testing.T, n int, opts ...lab.HostOption) *gathering {
	t.Helper()
	l := lab.New(t, n, opts...)
	all := people(t, l)
	l.Within(3*time.Second, all[0].node.Started, fmt.Sprintf("%d online", n), everyoneSees(all))
	return gather(t, l, all)
}

// joins enters a room.
func (p *person) joins(room string, args ...string) entry {
	p.t.Helper()
	return object[entry](p, append([]string{"room", "join", room, "--wait", lab.Patience().String()}, args...)...)
}

// listed waits for everybody to list everybody as a member who is online.
func (g *gathering) listed(ctx context.Context) error {
	for _, p := range g.all {
		if err := p.lists(g.id, g.all)(ctx); err != nil {
			return err
		}
	}
	return nil
}

// lists waits for a person to list exactly these members, all online.
func (p *person) lists(room string, want []*person) func(context.Context) error {
	return func(ctx context.Context) error {
		c, err := p.attach(ctx)
		if err != nil {
			return err
		}
		members, err := c.Members(ctx, room)
		if err != nil {
			return err
		}
		here := map[string]bool{}
		for _, m := range members {
			here[m.PeerID] = m.Presence == api.PresenceOnline
		}
		for _, other := range want {
			if !here[other.who.PeerID] {
				return fmt.Errorf("%s does not list %s: %+v", p.who.Name, other.who.Name, members)
			}
		}
		if len(members) != len(want) {
			return fmt.Errorf("%s lists %d members, want %d: %+v", p.who.Name, len(members), len(want), members)
		}
		return nil
	}
}

// words is what each said, in order.
type words map[*person][]string

// count is over all.
func (w words) count() int {
	n := 0
	for _, texts := range w {
		n += len(texts)
	}
	return n
}

// holds waits for everybody's log to hold exactly what was said, each one's
// words in order.
func (g *gathering) holds(want words) func(context.Context) error {
	return func(ctx context.Context) error {
		for _, p := range g.all {
			if err := p.holds(g.id, want)(ctx); err != nil {
				return err
			}
		}
		return nil
	}
}

func (p *person) holds(room string, want words) func(context.Context) error {
	return func(ctx context.Context) error {
		c, err := p.attach(ctx)
		if err != nil {
			return err
		}
		log, err := c.Log(ctx, api.LogQuery{Target: room})
		if err != nil {
			return err
		}
		got := map[string][]string{}
		for _, m := range log {
			got[m.Author] = append(got[m.Author], m.Text)
		}
		var errs []error
		for author, texts := range want {
			errs = append(errs, sameTexts(p.who.Name+" of "+author.who.Name, got[author.who.PeerID], texts))
		}
		if n := want.count(); len(log) != n {
			errs = append(errs, fmt.Errorf("%s has %d messages, want %d", p.who.Name, len(log), n))
		}
		return errors.Join(errs...)
	}
}

// roomLog is what the person has of a room, oldest first.
func (p *person) roomLog(room string, args ...string) []message {
	p.t.Helper()
	args = append([]string{"log", room, "--last", "100000", "--json"}, args...)
	return lines[message](p.t, p.run(exitDone, args...).Stdout)
}

// agree waits for everybody to hold what was said, which should take no longer
// than bound from since, and checks by the commands' output that all have the
// same log and the same state.
func (g *gathering) agree(bound time.Duration, since time.Time, what string, want words) time.Duration {
	g.t.Helper()
	took := g.l.Within(bound, since, what, g.holds(want))
	g.l.Within(bound, since, what+": in step", g.inStep)
	first := g.all[0]
	log := first.roomLog(g.id)
	got := words{}
	seen := map[string]bool{}
	for _, m := range log {
		if seen[m.ID] {
			g.t.Errorf("message %s %q twice", m.ID, m.Text)
		}
		seen[m.ID] = true
		if m.Kind != "text" {
			g.t.Errorf("%+v is no text", m)
		}
		for _, p := range g.all {
			if p.who.PeerID == m.Author {
				got[p] = append(got[p], m.Text)
			}
		}
	}
	for author, texts := range want {
		if err := sameTexts(first.who.Name+" of "+author.who.Name, got[author], texts); err != nil {
			g.t.Error(err)
		}
	}
	all := keys(first.roomLog(g.id, "--all"))
	state := first.run(exitDone, "room", "state", g.id).Stdout
	for _, p := range g.all[1:] {
		sameLines(g.t, first, p, keys(log), keys(p.roomLog(g.id)))
		sameLines(g.t, first, p, all, keys(p.roomLog(g.id, "--all")))
		if s := p.run(exitDone, "room", "state", g.id).Stdout; s != state || s == "" {
			g.t.Errorf("the state differs: %s has\n%s%s has\n%s", first.who.Name, state, p.who.Name, s)
		}
	}
	return took
}

// key is all of a message that is the same for everybody.
type key struct {
	ID, Author, Log string
	Seq             uint64
	Kind, Text      string
	Time            time.Time
}

func keys(log []message) []key {
	out := make([]key, len(log))
	for i, m := range log {
		out[i] = key{m.ID, m.Author, m.Log, m.Seq, m.Kind, m.Text, m.Time}
	}
	return out
}

func sameLines(t *testing.T, a, b *person, ours, theirs []key) {
	t.Helper()
	for i := range min(len(ours), len(theirs)) {
		if ours[i] != theirs[i] {
			t.Errorf("line %d is %+v for %s, %+v for %s", i+1, ours[i], a.who.Name, theirs[i], b.who.Name)
			return
		}
	}
	if len(ours) != len(theirs) {
		t.Errorf("%s has %d lines, %s has %d", a.who.Name, len(ours), b.who.Name, len(theirs))
	}
}

// inStep waits for everybody to hold the same and to miss nothing.
func (g *gathering) inStep(ctx context.Context) error {
	digests := map[string]string{}
	for _, p := range g.all {
		c, err := p.attach(ctx)
		if err != nil {
			return err
		}
		s, err := c.RoomStatus(ctx, g.id)
		if err != nil {
			return err
		}
		if s.Missing || s.Parked > 0 {
			return fmt.Errorf("%s misses something: %+v", p.who.Name, s)
		}
		digests[s.Digest] = p.who.Name
	}
	if len(digests) > 1 {
		return fmt.Errorf("the digests differ: %v", digests)
	}
	return nil
}

// outOf checks that others know that p left a room, that he knows it, and that what
// they say there does not go to him any more. Whose topics nobody is on alone would
// tell nothing: it is so before they meet, too.
func (p *person) outOf(room string, others ...*person) func(context.Context) error {
	return func(ctx context.Context) error {
		c, err := p.attach(ctx)
		if err != nil {
			return err
		}
		log, err := c.Log(ctx, api.LogQuery{Target: room, All: true})
		if err != nil {
			return err
		}
		heard := slices.ContainsFunc(log, func(m api.Message) bool {
			return m.Kind == api.MessageLeave && m.Author == p.who.PeerID && m.State == api.Delivered
		})
		if !heard {
			return fmt.Errorf("%s does not know that anybody heard it", p.who.Name)
		}
		for _, q := range append(others, p) {
			c, err := q.attach(ctx)
			if err != nil {
				return err
			}
			s, err := c.RoomStatus(ctx, room)
			if err != nil {
				return err
			}
			if slices.Contains(s.Peers, p.who.PeerID) || q == p && len(s.Peers) > 0 {
				return fmt.Errorf("%s is still on the topic, says %s", p.who.Name, q.who.Name)
			}
		}
		return nil
	}
}

// speech is `send ROOM --lines` under way.
type speech struct {
	p    *person
	said int
	proc *lab.Proc
	fed  chan struct{} // closed when it has all its input
}

// speaks says texts in a room, one every so often.
func (p *person) speaks(room string, texts []string, every time.Duration, args ...string) *speech {
	p.t.Helper()
	cmd := p.Command(p.Binary(), append([]string{"send", room, "--lines", "--json"}, args...)...)
	r, w, err := os.Pipe()
	if err != nil {
		p.t.Fatal(err)
	}
	cmd.Stdin = r
	s := &speech{p: p, said: len(texts), proc: p.Start(cmd), fed: make(chan struct{})}
	r.Close()
	go func() { // ends with the texts, or when nobody reads them
		defer close(s.fed)
		defer w.Close()
		next := time.Now()
		for _, text := range texts {
			time.Sleep(time.Until(next))
			next = next.Add(every)
			if _, err := w.WriteString(text + "\n"); err != nil {
				return
			}
		}
	}()
	return s
}

// end waits for the results, one for each line.
func (s *speech) end() []receipt {
	s.p.t.Helper()
	<-s.fed
	ctx, cancel := context.WithTimeout(context.Background(), lab.Patience())
	defer cancel()
	r := s.proc.Wait(ctx)
	got := lines[receipt](s.p.t, r.Stdout)
	if r.Code != exitDone || len(got) != s.said {
		s.p.t.Fatalf("%d results for %d lines: %s", len(got), s.said, r)
	}
	return got
}

// lineOf is what a person says as number i.
func lineOf(p *person, i int) string { return fmt.Sprintf("%s says line %03d", p.who.Name, i+1) }

func linesOf(p *person, n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = lineOf(p, i)
	}
	return out
}

// delivered fails unless every line reached somebody.
func delivered(t *testing.T, got []receipt, others int) {
	t.Helper()
	for _, r := range got {
		if r.State != "delivered" || r.Acked < 1 || r.Acked > others || r.Members != others {
			t.Errorf("receipt %+v, want delivered to some of %d", r, others)
		}
	}
}

// nicks is who is a member, as the command tells.
func (p *person) nicks(room string) []string {
	p.t.Helper()
	var out []string
	for _, m := range lines[member](p.t, p.run(exitDone, "room", "members", room, "--json").Stdout) {
		out = append(out, strings.Join([]string{m.Nick, m.Standing, m.Role, m.Presence}, " "))
	}
	slices.Sort(out)
	return out
}
