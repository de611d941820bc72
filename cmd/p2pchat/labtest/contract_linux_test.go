package labtest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"p2pchat/node/api"
	"p2pchat/node/localapi"
	"p2pchat/node/nodetest/lab"
)

// What scripts rely on in the output of the commands; there is more in it.
type (
	row struct {
		Name     string    `json:"name"`
		PeerID   string    `json:"peer_id"`
		Addrs    []string  `json:"addrs"`
		Via      string    `json:"via"`
		State    string    `json:"state"`
		LastSeen time.Time `json:"last_seen"`
	}
	status struct {
		PeerID      string   `json:"peer_id"`
		Name        string   `json:"name"`
		Addrs       []string `json:"addrs"`
		Connections []struct {
			PeerID    string `json:"peer_id"`
			Transport string `json:"transport"`
			Direction string `json:"direction"`
			Addr      string `json:"addr"`
		} `json:"connections"`
		Queued  int      `json:"queued"`
		Running *bool    `json:"running"`
		Notices []string `json:"notices"`
	}
	receipt struct {
		ID           string `json:"id"`
		Conversation string `json:"conversation"`
		State        string `json:"state"`
		Acked        int    `json:"acked"`
		Members      int    `json:"members"`
	}
	message struct {
		ID     string    `json:"id"`
		Author string    `json:"author"`
		Name   string    `json:"name"`
		Time   time.Time `json:"time"`
		Log    string    `json:"log"`
		Seq    uint64    `json:"seq"`
		Kind   string    `json:"kind"`
		Text   string    `json:"text"`
		State  string    `json:"state"`
	}
	failure struct {
		Error struct {
			Code    string `json:"code"`
			Message string `json:"message"`
		} `json:"error"`
	}
)

// Exit codes.
const (
	exitDone         = 0
	exitFailed       = 1
	exitUsage        = 2
	exitNotDelivered = 3
	exitNotFound     = 5
	exitAccount      = 6
)

// person is somebody with an account on a machine of the lab.
type person struct {
	*lab.Host
	who    lab.Account
	node   *lab.Node // serves the account, once it does
	t      *testing.T
	client *localapi.Client // attached to the node, dialled when needed
}

// newPerson makes an account on a host.
func newPerson(t *testing.T, h *lab.Host, name string) *person {
	t.Helper()
	return &person{Host: h, who: h.Init(name), t: t}
}

// serve starts the person's node and returns when it is ready.
func (p *person) serve(args ...string) *person {
	p.t.Helper()
	p.node = p.Host.Serve(args...)
	return p
}

// restart starts the node again after it was stopped or killed.
func (p *person) restart() {
	p.t.Helper()
	p.detach()
	p.node.Start()
}

// people makes an account on every host and serves them all, at the same time
// and with the same arguments.
func people(t *testing.T, l *lab.Lab, args ...string) []*person {
	t.Helper()
	names := []string{"alice", "bob", "carol", "dave", "erin"}
	var all []*person
	for i, h := range l.Hosts {
		name := fmt.Sprintf("node%02d", i+1)
		if len(l.Hosts) <= len(names) {
			name = names[i]
		}
		all = append(all, newPerson(t, h, name))
	}
	for _, p := range all {
		p.node = p.Launch(args...)
	}
	for _, p := range all {
		p.node.Ready()
	}
	return all
}

// pair is two people who see each other.
func pair(t *testing.T, l *lab.Lab, args ...string) (alice, bob *person) {
	t.Helper()
	both := people(t, l, args...)
	l.Within(3*time.Second, both[0].node.Started, "both online", everyoneSees(both))
	return both[0], both[1]
}

// run runs a command of the person and checks its exit code.
func (p *person) run(code int, args ...string) lab.Result {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), lab.Patience())
	defer cancel()
	r := p.Host.Run(ctx, args...)
	if r.Code != code {
		p.t.Fatalf("want exit code %d: %s", code, r)
	}
	return r
}

// fails runs a command with --json that is to fail, and checks the exit code
// and the error's code on standard error's last line.
func (p *person) fails(exit int, code string, args ...string) lab.Result {
	p.t.Helper()
	r := p.run(exit, append(args, "--json")...)
	lines := strings.Split(strings.TrimSpace(r.Stderr), "\n")
	var f failure
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &f); err != nil || f.Error.Code != code || f.Error.Message == "" {
		p.t.Errorf("want an error with code %s: %s", code, r)
	}
	return r
}

// object runs a command that prints one object.
func object[T any](p *person, args ...string) T {
	p.t.Helper()
	var v T
	if err := p.run(exitDone, append(args, "--json")...).Decode(&v); err != nil {
		p.t.Fatal(err)
	}
	return v
}

// lines reads JSON Lines.
func lines[T any](t *testing.T, text string) []T {
	t.Helper()
	var all []T
	d := json.NewDecoder(strings.NewReader(text))
	for d.More() {
		var v T
		if err := d.Decode(&v); err != nil {
			t.Fatalf("%v in %s", err, text)
		}
		all = append(all, v)
	}
	return all
}

func (p *person) peers() []row {
	p.t.Helper()
	return lines[row](p.t, p.run(exitDone, "peers", "--json").Stdout)
}

// log is what the person has of the conversation with another, oldest first.
func (p *person) log(with *person) []message {
	p.t.Helper()
	return lines[message](p.t, p.run(exitDone, "log", with.who.PeerID, "--last", "100000", "--json").Stdout)
}

// tell sends a message and wants it delivered.
func (p *person) tell(to *person, text string) receipt {
	p.t.Helper()
	r := object[receipt](p, "send", "@"+to.who.Name, text, "--wait", lab.Patience().String())
	if r.State != "delivered" && r.State != "read" {
		p.t.Fatalf("%s to %s: %q is %s", p.who.Name, to.who.Name, text, r.State)
	}
	return r
}

// leave stores a message for somebody who cannot be reached now.
func (p *person) leave(to *person, text string) {
	p.t.Helper()
	object[receipt](p, "send", to.who.PeerID, text, "--wait", "0")
}

// attach is the person's node over its socket.
func (p *person) attach(ctx context.Context) (*localapi.Client, error) {
	if p.client != nil {
		select {
		case <-p.client.Done():
			p.detach()
		default:
			return p.client, nil
		}
	}
	c, err := localapi.Dial(ctx, p.Data)
	if err != nil {
		return nil, err
	}
	p.client = c
	p.t.Cleanup(func() { c.Close() })
	return c, nil
}

func (p *person) detach() {
	if p.client != nil {
		p.client.Close()
		p.client = nil
	}
}

// sees waits for another to be shown in the given state.
func (p *person) sees(other *person, state string) func(context.Context) error {
	return func(ctx context.Context) error {
		c, err := p.attach(ctx)
		if err != nil {
			return err
		}
		roster, err := c.Peers(ctx)
		if err != nil {
			return err
		}
		for _, row := range roster {
			if row.PeerID == other.who.PeerID {
				if row.State == state {
					return nil
				}
				return fmt.Errorf("%s sees %s %s", p.who.Name, other.who.Name, row.State)
			}
		}
		return fmt.Errorf("%s does not know %s", p.who.Name, other.who.Name)
	}
}

// everyoneSees waits for all of them to see all others online.
func everyoneSees(all []*person) func(context.Context) error {
	return func(ctx context.Context) error {
		for _, a := range all {
			for _, b := range all {
				if a == b {
					continue
				}
				if err := a.sees(b, "online")(ctx); err != nil {
					return err
				}
			}
		}
		return nil
	}
}

// oneConnectionEach waits for exactly one connection of each pair.
func oneConnectionEach(all []*person) func(context.Context) error {
	return func(ctx context.Context) error {
		for _, a := range all {
			c, err := a.attach(ctx)
			if err != nil {
				return err
			}
			s, err := c.Status(ctx)
			if err != nil {
				return err
			}
			count := map[string]int{}
			for _, conn := range s.Connections {
				count[conn.PeerID]++
			}
			for _, b := range all {
				if a != b && count[b.who.PeerID] != 1 {
					return fmt.Errorf("%s has %d connections to %s", a.who.Name, count[b.who.PeerID], b.who.Name)
				}
			}
		}
		return nil
	}
}

// has waits for the person's log to hold exactly these texts, in order.
func (p *person) has(with *person, want []string) func(context.Context) error {
	return func(ctx context.Context) error {
		c, err := p.attach(ctx)
		if err != nil {
			return err
		}
		log, err := c.Log(ctx, api.LogQuery{Target: with.who.PeerID})
		if err != nil {
			return err
		}
		got := make([]string, len(log))
		for i, m := range log {
			got[i] = m.Text
		}
		return sameTexts(p.who.Name, got, want)
	}
}

// heard waits for the person's log to hold exactly these texts of the other's,
// in order.
func (p *person) heard(from *person, want []string) func(context.Context) error {
	return func(ctx context.Context) error {
		c, err := p.attach(ctx)
		if err != nil {
			return err
		}
		log, err := c.Log(ctx, api.LogQuery{Target: from.who.PeerID})
		if err != nil {
			return err
		}
		var got []string
		for _, m := range log {
			if m.Author == from.who.PeerID {
				got = append(got, m.Text)
			}
		}
		return sameTexts(p.who.Name+" of "+from.who.Name, got, want)
	}
}

// sameTexts says where two lists of messages differ first.
func sameTexts(who string, got, want []string) error {
	for i := range min(len(got), len(want)) {
		if got[i] != want[i] {
			return fmt.Errorf("%s: message %d is %q, want %q", who, i+1, got[i], want[i])
		}
	}
	if len(got) != len(want) {
		return fmt.Errorf("%s has %d messages, want %d", who, len(got), len(want))
	}
	return nil
}

// agree checks by the commands' output that two people have the same
// conversation, each message once.
func agree(t *testing.T, a, b *person, want []string) {
	t.Helper()
	ours, theirs := a.log(b), b.log(a)
	seen := map[string]bool{}
	for i, m := range ours {
		if seen[m.ID] {
			t.Errorf("message %s %q twice", m.ID, m.Text)
		}
		seen[m.ID] = true
		if i < len(theirs) && (theirs[i].ID != m.ID || theirs[i].Text != m.Text || theirs[i].Author != m.Author) {
			t.Fatalf("message %d is %+v for %s, %+v for %s", i+1, m, a.who.Name, theirs[i], b.who.Name)
		}
	}
	if err := errors.Join(
		sameTexts(a.who.Name, texts(ours), want),
		sameTexts(b.who.Name, texts(theirs), want),
	); err != nil {
		t.Fatal(err)
	}
}

// sameLogs is agree for a conversation in which both spoke at the same time:
// each one's messages are in order, and both have the same log.
func sameLogs(t *testing.T, a, b *person, fromA, fromB []string) {
	t.Helper()
	ours := a.log(b)
	agree(t, a, b, texts(ours))
	var gotA, gotB []string
	for _, m := range ours {
		if m.Author == a.who.PeerID {
			gotA = append(gotA, m.Text)
		} else {
			gotB = append(gotB, m.Text)
		}
	}
	if err := errors.Join(sameTexts("of "+a.who.Name, gotA, fromA), sameTexts("of "+b.who.Name, gotB, fromB)); err != nil {
		t.Error(err)
	}
}

func texts(log []message) []string {
	got := make([]string, len(log))
	for i, m := range log {
		got[i] = m.Text
	}
	return got
}
