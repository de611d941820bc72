package labtest

import (
	"context"
	"fmt"

	"p2pchat/node/api"
	"p2pchat/node/localapi"
)

// What lab.Within waits for, seen over the nodes' sockets.

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
