package labtest

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

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
	exitRefused      = 4
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
