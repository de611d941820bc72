package antientropy

import (
	"testing"
	"testing/synctest"
	"time"

	"p2pchat/protocol/event"
	"p2pchat/protocol/pb"
)

// TestWithheld: whoever says that he has what somebody said, and brings something else
// instead, keeps nobody from bringing it.
func TestWithheld(t *testing.T) {
	t.Parallel()
	c, genesis := newRoom(t, 9)
	said := c.other(11).say(1, 20)
	a, b := newNode(t, 1, c.room, append([]*event.Event{genesis}, said...)...), newNode(t, 2, c.room, genesis)
	l := newOutsider(t, 3, b).stream()
	claim := event.Frontier{said[0].Key(): {Seq: 1 << 40, ID: event.ID{1}}}
	all := &pb.SyncListed{Control: everything(), Logs: everything()}
	for _, f := range []*pb.SyncFrame{
		{Open: &pb.SyncOpen{Room: c.room[:], Digest: make([]byte, 32)}},
		{Listed: all, Heads: claim.Wire(), End: true},
	} {
		if err := l.write(f); err != nil {
			t.Fatal(err)
		}
		if _, err := l.read(time.Minute); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.write(&pb.SyncFrame{Events: batch(c.other(12).say(1, 400)...)}); err != nil {
		t.Fatal(err)
	}
	b.until(t, "his own lines are here", func() bool { return b.sizeLocked() == 401 })
	b.connect(t, a)
	b.sync(t, c.room, a)
	same(t, b, a)
	if came, due := b.Progress(c.room); came != 0 || due != 0 {
		t.Errorf("fetching %d of %d", came, due)
	}
}

// TestInFlight: a run counts as bringing what its other side has while it brings much
// of that, and nobody is passed over for it for ever.
func TestInFlight(t *testing.T) {
	t.Parallel()
	c, _ := newRoom(t, 9)
	said, other := c.other(11).say(1, 1000), c.other(12).say(1, 1000)
	theirs := event.Frontier{said[0].Key(): {Seq: said[999].Seq, ID: said[999].ID}}
	for name, test := range map[string]struct {
		brings []*event.Event // each second
		fresh  int            // of them
		times  int
		want   time.Duration // that another is passed over
	}{
		"nothing":            {nil, 0, 10, 0},
		"what was here":      {said[:300], 0, 10, 0},
		"something else":     {other[:300], 300, 10, 0},
		"more than was said": {c.other(11).say(1, 1300)[1000:], 300, 10, 0},
		"much, once":         {said[:500], 500, 1, stalls},
		"a little, once":     {said[:50], 50, 1, 50 * eventWorth},
		"too little":         {said[:10], 10, 10, 10 * 10 * eventWorth},
		"enough":             {said[:150], 150, 20, 19*time.Second + stalls},
		"enough, for long":   {said[:150], 150, 500, passOver},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := &Service{flights: map[*run]*flight{}, passed: map[pairKey]time.Time{}}
				brings, asks := &run{room: c.room, peer: "brings"}, &run{room: c.room, peer: "asks"}
				s.depart(brings, theirs)
				const step = 50 * time.Millisecond
				var passed time.Duration
				for i := range test.times + 10 {
					if i < test.times {
						s.landed(brings, test.brings, test.fresh)
					}
					for range time.Second / step {
						if len(s.inFlight(asks)) > 0 {
							passed += step
						}
						time.Sleep(step)
					}
				}
				if passed != test.want {
					t.Errorf("passed over for %v, not %v", passed, test.want)
				}
				if s.landed(brings, said, len(said)); passed >= passOver && len(s.inFlight(asks)) > 0 {
					t.Error("passed over again")
				}
				asks.equal = true
				if s.arrive(asks); len(s.inFlight(asks)) == 0 {
					t.Error("not passed over after a run that ended equal")
				}
			})
		})
	}
}
