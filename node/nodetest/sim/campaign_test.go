package sim

import (
	"context"
	"fmt"
	"testing"
	"time"

	"p2pchat/node/api"
	"p2pchat/node/nodetest/campaign"
)

var simSize = campaign.Size{
	Least: 4, Most: 7, Steps: 80, Pause: 4 * time.Second,
	MaxLoss: 30, MaxLatency: 150 * time.Millisecond, MaxSlow: 600 * time.Millisecond, Hostile: true, Clocks: true,
	Attacks: []string{campaign.Noise, campaign.Replay, campaign.Replay, campaign.Forge, campaign.Equivocate, campaign.Usurp, campaign.Strip, campaign.Strip},
}

// Whatever happens to those who talk, in the end all have the same, and all that
// was said, once.
func TestCampaign(t *testing.T) {
	campaign.Each(t, "sim", 4, func(t *testing.T, seed uint64) campaign.Outcome { return happens(t, seed, true) })
}

// happens runs the scenario of a seed. Without sync, all are on their own from
// where trouble begins.
func happens(t *testing.T, seed uint64, sync bool) (o campaign.Outcome) {
	t.Helper()
	inBubble(t, seed, func(t *testing.T, n *Net) {
		s := campaign.Generate(seed, simSize)
		w := &world{Net: n, sync: sync, gang: &gang{net: n, random: random(seed)}}
		defer func() { check(t, w.close()) }()
		check(t, w.open(t.Context(), s.Members))
		start := time.Now()
		var err error
		o, err = campaign.Run(t.Context(), campaign.Config{
			World: w, Scenario: s, Patience: 2 * time.Minute, Calm: 40 * time.Second,
			Logf: func(format string, args ...any) {
				t.Logf("%6.1fs %s", time.Since(start).Seconds(), fmt.Sprintf(format, args...))
			},
		})
		if err != nil {
			o.Failed = err.Error()
		}
	})
	return o
}

// world is the simulated network.
type world struct {
	*Net
	sync bool
	all  []*Node
	copy string
	*gang
}

func (w *world) open(ctx context.Context, members int) error {
	for i := range members + 1 {
		name := fmt.Sprint("m", i)
		if i == members {
			name = "mallory"
		}
		x, err := w.Account(ctx, name)
		if err != nil {
			return err
		}
		if err := x.Start(ctx, w.Nodes()[:i]...); err != nil {
			return err
		}
	}
	w.all = w.Nodes()[:members]
	w.honest, w.mallory = w.all, w.Nodes()[members]
	time.Sleep(settle)
	return nil
}

func (w *world) node(who int) *Node {
	if who == campaign.Hostile {
		return w.mallory
	}
	return w.all[who]
}

func (w *world) Service(_ context.Context, who int) (api.Service, error) {
	if n := w.node(who); n.Node != nil {
		return n.Node, nil
	}
	return nil, fmt.Errorf("m%d is stopped", who)
}

func (w *world) ID(who int) string  { return w.node(who).ID }
func (w *world) Dir(who int) string { return w.node(who).dir }

func (w *world) Ready(ctx context.Context, room string) error {
	for _, x := range w.Nodes() {
		x.Sync(w.sync)
	}
	return w.infiltrate(ctx, room)
}

func (w *world) Usurped() []string { return w.usurped }

func (w *world) Inflict(ctx context.Context, s campaign.Step) (err error) {
	x := w.all[s.Who]
	switch s.Do {
	case campaign.Cut:
		var side []*Node
		for _, i := range s.With {
			side = append(side, w.all[i])
		}
		w.Lan.Cut(side)
	case campaign.Heal:
		w.Lan.Heal()
	case campaign.Loss:
		w.Lan.SetLoss(float64(s.N) / 100)
	case campaign.Latency:
		w.Lan.SetLatency(s.For, s.For/2+1)
	case campaign.Slow:
		w.Lan.Slow(x, s.For)
		x.SlowValidation(s.For)
	case campaign.Stop:
		return x.Stop()
	case campaign.Kill:
		return x.kill(ctx)
	case campaign.Start:
		return w.start(ctx, x)
	case campaign.Clock:
		x.SetClock(s.For)
	case campaign.Snapshot:
		w.copy, err = x.copyData(ctx)
		return err
	case campaign.Restore:
		if err := x.Stop(); err != nil {
			return err
		}
		return x.putBack(w.copy)
	case campaign.Attack:
		return w.attack(ctx, s.What)
	default:
		return fmt.Errorf("cannot %s", s.Do)
	}
	return nil
}

// start starts a node, which is told two others.
func (w *world) start(ctx context.Context, x *Node) error {
	var some []*Node
	for _, i := range w.random.Perm(len(w.all)) {
		if n := w.all[i]; n != x && len(some) < 2 {
			some = append(some, n)
		}
	}
	return x.Start(ctx, some...)
}

func (w *world) Mend(ctx context.Context) error {
	w.Lan.Heal()
	w.Lan.SetLoss(0)
	w.Lan.SetLatency(defaultLatency, 0)
	for _, x := range w.all {
		w.Lan.Slow(x, 0)
		x.SetClock(0)
		if x.Node == nil {
			if err := w.start(ctx, x); err != nil {
				return err
			}
		}
	}
	return nil
}
