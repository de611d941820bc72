package labtest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"p2pchat/node/api"
	"p2pchat/node/nodetest/campaign"
	"p2pchat/node/nodetest/lab"
)

// Clocks stay right: that would take a kernel of one's own. Who is hostile is
// none of the room's.
var labSize = campaign.Size{
	Least: 3, Most: 5, Steps: 36, Pause: 1500 * time.Millisecond, MaxLoss: 20, MaxSlow: time.Second,
	Attacks: []string{campaign.Noise},
}

// Whatever happens to the machines of those who talk, in the end all have the
// same, and all that was said, once. Package campaign says what happens.
func TestCampaign(t *testing.T) {
	t.Parallel()
	campaign.Each(t, "lab", 1, func(t *testing.T, seed uint64) campaign.Outcome {
		s := campaign.Generate(seed, labSize)
		l := lab.New(t, s.Members)
		w := &labWorld{t: t, l: l, all: people(t, l), slow: map[int]bool{}, random: rand.New(rand.NewPCG(seed, 0))}
		w.mallory = l.AddHost()
		l.Within(10*time.Second, time.Now(), "all online", everyoneSees(w.all))
		o, err := campaign.Run(t.Context(), campaign.Config{
			World: w, Scenario: s, Patience: lab.Patience(), Calm: 12 * time.Second, Logf: t.Logf,
		})
		if err != nil {
			o.Failed = err.Error()
		}
		return o
	})
}

// labWorld is the LAN lab as a campaign's world.
type labWorld struct {
	t       *testing.T
	l       *lab.Lab
	all     []*person
	mallory *lab.Host
	random  *rand.Rand
	slow    map[int]bool
	copy    string // of somebody's data directory
}

func (w *labWorld) Service(ctx context.Context, who int) (api.Service, error) {
	c, err := w.all[who].attach(ctx)
	if err != nil { // not as a Client that is nil
		return nil, err
	}
	return c, nil
}

func (w *labWorld) ID(who int) string  { return w.all[who].who.PeerID }
func (w *labWorld) Dir(who int) string { return w.all[who].Data }

func (w *labWorld) Ready(context.Context, string) error { return nil }
func (w *labWorld) Usurped() []string                   { return nil }

func (w *labWorld) Inflict(ctx context.Context, s campaign.Step) (err error) {
	p := w.all[s.Who]
	switch s.Do {
	case campaign.Cut:
		var side []*lab.Host
		for _, i := range s.With {
			side = append(side, w.all[i].Host)
		}
		w.l.Partition(side)
	case campaign.Heal:
		w.l.Heal()
	case campaign.Loss:
		w.l.Loss(s.N)
	case campaign.Slow:
		w.slowDown(s.Who, s.For)
	case campaign.Stop:
		p.detach()
		p.node.Stop()
	case campaign.Kill:
		p.node.Kill9()
		p.detach()
	case campaign.Start:
		p.node.Start()
	case campaign.Snapshot:
		w.copy = w.l.Dir("older")
		return campaign.Copy(ctx, p.Data, w.copy)
	case campaign.Restore:
		p.detach()
		if p.node.Proc.Running() {
			p.node.Stop()
		}
		return errors.Join(os.RemoveAll(p.Data), os.Rename(w.copy, p.Data), os.Chmod(p.Data, 0o700))
	case campaign.Attack:
		return w.attack(ctx)
	default:
		return fmt.Errorf("cannot %s", s.Do)
	}
	return nil
}

// slowDown has a cable carry less the larger by is; 0: as much as it can.
func (w *labWorld) slowDown(who int, by time.Duration) {
	switch {
	case by > 0:
		w.slow[who] = true
		w.all[who].RateLimit(int(400_000 / (1 + by.Seconds())))
	case w.slow[who]:
		delete(w.slow, who)
		w.all[who].RateLimit(0)
	}
}

// attack has mallory speak to somebody's node.
func (w *labWorld) attack(ctx context.Context) error {
	var up []*person
	for _, p := range w.all {
		if p.node.Proc.Running() {
			up = append(up, p)
		}
	}
	if len(up) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	// She may not get through, and need not get to the end.
	w.mallory.RunCommand(ctx, w.mallory.Program("mallory", up[w.random.IntN(len(up))].node.Addrs[0]))
	return nil
}

func (w *labWorld) Mend(context.Context) error {
	w.l.Heal()
	w.l.Loss(0)
	for i, p := range w.all {
		w.slowDown(i, 0)
		if !p.node.Proc.Running() {
			p.node.Start()
		}
	}
	return nil
}
