package main

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"p2pchat/node/api"
	"p2pchat/node/localapi"
	"p2pchat/node/nodetest/lab"
)

// firstMessage measures how long after the start of a program a message it
// sends is delivered, on a LAN where nobody has met before.
func firstMessage(ctx context.Context, b *bench) (t table, err error) {
	later := row{What: "the other runs already", Unit: "s", Limit: 1}
	both := row{What: "both start at once", Unit: "s", Limit: 1}
	for range b.runs {
		for _, r := range []struct {
			row    *row
			atOnce bool
		}{{&later, false}, {&both, true}} {
			var subj, yard time.Duration
			if err := inLab("start", func(t testing.TB) { yard = bareMeeting(t, r.atOnce) }); err != nil {
				return t, err
			}
			if err := inLab("start", func(t testing.TB) { subj = meeting(ctx, t, r.atOnce) }); err != nil {
				return t, err
			}
			r.row.Subject = append(r.row.Subject, subj.Seconds())
			r.row.Yardstick = append(r.row.Yardstick, yard.Seconds())
		}
	}
	t.Rows = []row{later, both}
	t.Notes = []string{"From the execution of the (later) program, with a fresh account each, until its first message\n" +
		"is *delivered*; two hosts of the LAN lab, multicast DNS. Yardstick: bare go-libp2p with its own\n" +
		"mDNS, until it is connected, on the same kind of LAN."}
	return t, nil
}

// meeting runs two nodes; the second sends.
func meeting(ctx context.Context, t testing.TB, atOnce bool) time.Duration {
	l := lab.New(t, 2)
	hosts := l.Hosts
	hosts[0].Init("alice")
	hosts[1].Init("bob")
	first := hosts[0].Launch()
	if !atOnce {
		first.Ready()
		quiet()
	}
	second := hosts[1].Launch()
	ctx, cancel := context.WithTimeout(ctx, giveUp)
	defer cancel()
	c := attach(ctx, t, hosts[1])
	defer c.Close()
	r, err := c.Send(ctx, api.SendRequest{Target: "alice", Text: text, Wait: giveUp})
	took := time.Since(second.Started)
	if err != nil || r.State != api.Delivered {
		t.Fatalf("first message: %+v, %v", r, err)
	}
	return took
}

// attach connects to the host's node, as soon as there is one.
func attach(ctx context.Context, t testing.TB, h *lab.Host) *localapi.Client {
	for {
		c, err := localapi.Dial(ctx, h.Data)
		if err == nil {
			return c
		}
		select {
		case <-ctx.Done():
			t.Fatalf("connect to the node: %v", err)
		case <-time.After(2 * time.Millisecond):
		}
	}
}

// bareMeeting runs two yardsticks.
func bareMeeting(t testing.TB, atOnce bool) time.Duration {
	l := lab.New(t, 2)
	first := bare(l.Hosts[0], "-mdns")
	if !atOnce {
		prints(t, first, "ready")
		quiet()
	}
	start := time.Now()
	second := bare(l.Hosts[1], "-mdns")
	prints(t, second, "connected")
	return time.Since(start)
}

// quiet lets the announcements of a start go by, or those would be heard
// instead of an answer.
func quiet() { time.Sleep(1500 * time.Millisecond) }

// printed is what the yardstick prints.
type printed struct {
	Event string   `json:"event"`
	Addrs []string `json:"addrs"`
}

// prints waits for the yardstick to print one.
func prints(t testing.TB, p *lab.Proc, want string) printed {
	ctx, cancel := context.WithTimeout(context.Background(), giveUp)
	defer cancel()
	var got printed
	_, err := p.Stdout.Await(ctx, func(s string) bool {
		return json.Unmarshal([]byte(s), &got) == nil && got.Event == want
	})
	if err != nil {
		t.Fatalf("%s: wait for %q: %v\n%s", p, want, err, strings.TrimSpace(p.Stderr.String()))
	}
	return got
}
