package labtest

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"p2pchat/node/nodetest/lab"
)

// A fault happens to bob's machine while both talk.
type fault struct {
	name string
	// strike begins it, mend ends it.
	strike, mend func(l *lab.Lab, bob *person)
	// short and full are how long it lasts, in between.
	short, full time.Duration
	// gone says that bob's node does not run during the fault, so he cannot
	// leave messages.
	gone bool
}

var faults = []fault{
	{
		name:   "link down and up",
		strike: func(_ *lab.Lab, bob *person) { bob.LinkDown() },
		mend:   func(_ *lab.Lab, bob *person) { bob.LinkUp() },
		short:  2 * time.Second, full: 10 * time.Second,
	},
	{
		name:   "switch port down and up",
		strike: func(_ *lab.Lab, bob *person) { bob.PortDown() },
		mend:   func(_ *lab.Lab, bob *person) { bob.PortUp() },
		short:  2 * time.Second, full: 10 * time.Second,
	},
	{
		name:   "partition",
		strike: func(l *lab.Lab, bob *person) { l.Partition([]*lab.Host{bob.Host}) },
		mend:   func(l *lab.Lab, _ *person) { l.Heal() },
		// Long enough for both to notice that the other is gone.
		short: 20 * time.Second, full: 45 * time.Second,
	},
	{
		name:   "address changed",
		strike: func(_ *lab.Lab, bob *person) { bob.DelAddrs() },
		mend:   func(l *lab.Lab, bob *person) { bob.SetAddr(l.Switches[0].Addr(200)) },
		short:  500 * time.Millisecond, full: 500 * time.Millisecond,
	},
	{
		name: "link down at start",
		strike: func(_ *lab.Lab, bob *person) {
			bob.node.Stop()
			bob.LinkDown()
			bob.restart()
		},
		mend:  func(_ *lab.Lab, bob *person) { bob.LinkUp() },
		short: 2 * time.Second, full: 10 * time.Second,
	},
	{
		name: "address assigned after start",
		strike: func(_ *lab.Lab, bob *person) {
			bob.node.Stop()
			bob.DelAddrs()
			bob.restart()
		},
		mend:  func(l *lab.Lab, bob *person) { bob.SetAddr(l.Switches[0].Addr(200)) },
		short: 2 * time.Second, full: 10 * time.Second,
	},
	{
		name:   "kill -9 and restart",
		strike: func(_ *lab.Lab, bob *person) { bob.node.Kill9(); bob.detach() },
		mend:   func(_ *lab.Lab, bob *person) { bob.node.Start() },
		short:  time.Second, full: 10 * time.Second,
		gone: true,
	},
	{
		name:   "frozen and thawed",
		strike: func(_ *lab.Lab, bob *person) { bob.node.Proc.Pause() },
		mend:   func(_ *lab.Lab, bob *person) { bob.node.Proc.Continue() },
		short:  20 * time.Second, full: 45 * time.Second,
		gone: true,
	},
}

// Whatever happens, both are together again soon after it is over, and what
// was said meanwhile arrives once and in order.
func TestFaults(t *testing.T) {
	t.Parallel()
	for transport, listen := range transports {
		for _, f := range faults {
			t.Run(transport+"/"+f.name, func(t *testing.T) {
				t.Parallel()
				repeat(t, "recovery: "+f.name+", "+transport, 3*time.Second, func(t *testing.T) time.Duration {
					return suffer(t, f, listen)
				})
			})
		}
	}
}

// suffer lets two people live through a fault and returns how long after its
// end both could be sure of what the other said meanwhile.
func suffer(t *testing.T, f fault, listen string) time.Duration {
	l := lab.New(t, 2)
	alice, bob := pair(t, l, "--listen", listen)
	alice.tell(bob, "before")
	bob.tell(alice, "before, too")
	fromAlice, fromBob := []string{"before"}, []string{"before, too"}

	f.strike(l, bob)
	for i := range 3 {
		text := fmt.Sprintf("meanwhile %d", i+1)
		alice.leave(bob, text)
		fromAlice = append(fromAlice, text)
		if !f.gone {
			bob.leave(alice, text+", too")
			fromBob = append(fromBob, text+", too")
		}
	}
	last(lab.Long(f.short, f.full))
	if !f.gone {
		// The fault is one: nothing came through.
		l.Within(time.Second, time.Now(), "nothing heard during "+f.name, bob.heard(alice, fromAlice[:1]))
	}
	f.mend(l, bob)
	mended := time.Now()

	took := l.Within(10*time.Second, mended, "recovered from "+f.name, func(ctx context.Context) error {
		if err := everyoneSees([]*person{alice, bob})(ctx); err != nil {
			return err
		}
		if err := alice.heard(bob, fromBob)(ctx); err != nil {
			return err
		}
		return bob.heard(alice, fromAlice)(ctx)
	})
	alice.tell(bob, "after")
	bob.tell(alice, "after, too")
	fromAlice, fromBob = append(fromAlice, "after"), append(fromBob, "after, too")
	sameLogs(t, alice, bob, fromAlice, fromBob)
	l.Within(10*time.Second, mended, "one connection after "+f.name, oneConnectionEach([]*person{alice, bob}))
	return took
}

// last is how long a fault lasts. Nothing is waited for.
func last(d time.Duration) { time.Sleep(d) }

// People who never met: the link of one comes up, or gets its address, only
// after the program was started.
func TestNoLinkAtFirstStart(t *testing.T) {
	t.Parallel()
	for transport, listen := range transports {
		for name, late := range map[string]struct {
			opts lab.HostOption
			mend func(l *lab.Lab, h *lab.Host)
		}{
			"link":    {lab.LinkDownAtStart(), func(_ *lab.Lab, h *lab.Host) { h.LinkUp() }},
			"address": {lab.NoAddress(), func(l *lab.Lab, h *lab.Host) { h.SetAddr(l.Switches[0].Addr(200)) }},
		} {
			t.Run(transport+"/"+name, func(t *testing.T) {
				t.Parallel()
				repeat(t, name+" comes after first start, "+transport, 3*time.Second, func(t *testing.T) time.Duration {
					l := lab.New(t, 1)
					alice := newPerson(t, l.Hosts[0], "alice").serve("--listen", listen)
					bob := newPerson(t, l.AddHost(late.opts), "bob").serve("--listen", listen)
					last(lab.Long(2*time.Second, 10*time.Second))
					if got := alice.peers(); len(got) != 0 {
						t.Errorf("without %s alice sees %+v", name, got)
					}
					late.mend(l, bob.Host)
					took := l.Within(10*time.Second, time.Now(), "met after the "+name+" came",
						everyoneSees([]*person{alice, bob}))
					alice.tell(bob, "there you are")
					agree(t, alice, bob, []string{"there you are"})
					return took
				})
			})
		}
	}
}

// Whoever is gone is shown so within 15 s.
func TestAbsentIsOffline(t *testing.T) {
	t.Parallel()
	for transport, listen := range transports {
		for name, leave := range map[string]func(l *lab.Lab, bob *person){
			"killed":    func(_ *lab.Lab, bob *person) { bob.node.Kill9() },
			"cut off":   func(l *lab.Lab, bob *person) { l.Partition([]*lab.Host{bob.Host}) },
			"frozen":    func(_ *lab.Lab, bob *person) { bob.node.Proc.Pause() },
			"unplugged": func(_ *lab.Lab, bob *person) { bob.PortDown() },
			"stopped":   func(_ *lab.Lab, bob *person) { bob.node.Stop() },
		} {
			t.Run(transport+"/"+name, func(t *testing.T) {
				t.Parallel()
				l := lab.New(t, 2)
				alice, bob := pair(t, l, "--listen", listen)
				leave(l, bob)
				l.Within(15*time.Second, time.Now(), name+" is shown offline", alice.sees(bob, "offline"))
				row := alice.peers()[0]
				if row.Name != "bob" || row.State != "offline" || row.LastSeen.IsZero() {
					t.Errorf("alice lists %+v", row)
				}
			})
		}
	}
}

// Half of the machines cannot see the other half for a while.
func TestPartitionOfSix(t *testing.T) {
	t.Parallel()
	l := lab.New(t, 6)
	all := people(t, l)
	l.Within(15*time.Second, time.Now(), "six online", everyoneSees(all))
	l.Partition(l.Hosts[:3])
	struck := time.Now()
	for i := range 3 {
		all[i].leave(all[i+3], "across")
		l.Within(15*time.Second, struck, "the other half is shown offline", all[i].sees(all[i+3], "offline"))
	}
	all[0].tell(all[1], "we are still here")
	all[3].tell(all[4], "so are we")
	l.Heal()
	healed := time.Now()
	l.Within(10*time.Second, healed, "six online again", everyoneSees(all))
	for i := range 3 {
		l.Within(10*time.Second, healed, "what was left arrives", all[i+3].has(all[i], []string{"across"}))
	}
	l.Within(10*time.Second, healed, "one connection per pair again", oneConnectionEach(all))
}

// Bob's adapter is pulled out and another one plugged in.
func TestAdapterReplaced(t *testing.T) {
	t.Parallel()
	l := lab.New(t, 2)
	alice, bob := pair(t, l)
	alice.tell(bob, "before")
	bob.NIC.Remove()
	l.Within(15*time.Second, time.Now(), "without adapter", alice.sees(bob, "offline"))
	if got := object[status](bob, "status"); len(got.Connections) != 0 {
		t.Errorf("without adapter bob has %+v", got.Connections)
	}
	alice.leave(bob, "meanwhile")
	bob.Plug(l.Switches[0]).SetAddr(l.Switches[0].Addr(200))
	plugged := time.Now()
	l.Within(10*time.Second, plugged, "over the new adapter", everyoneSees([]*person{alice, bob}))
	l.Within(10*time.Second, plugged, "queued over the new adapter", bob.has(alice, []string{"before", "meanwhile"}))
}

// Every tenth packet lost in either direction: slow, but whole.
func TestLossyLink(t *testing.T) {
	t.Parallel()
	for transport, listen := range transports {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			l := lab.New(t, 2)
			l.Hosts[1].Loss(10)
			start := time.Now()
			all := people(t, l, "--listen", listen)
			l.Within(15*time.Second, start, "met over a lossy link", everyoneSees(all))
			alice, bob := all[0], all[1]
			var want []string
			for i := range 50 {
				text := fmt.Sprintf("message %d", i+1)
				alice.leave(bob, text)
				want = append(want, text)
			}
			l.Within(15*time.Second, time.Now(), "50 messages over a lossy link", bob.has(alice, want))
			agree(t, alice, bob, want)
		})
	}
}

// A link of one megabit, as over an old powerline adapter, with a backlog that
// fills it for seconds: all arrives, and nobody is taken for gone meanwhile.
func TestSlowLink(t *testing.T) {
	t.Parallel()
	for transport, listen := range transports {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			l := lab.New(t, 2)
			alice, bob := pair(t, l, "--listen", listen)
			l.Hosts[1].RateLimit(1_000_000)
			before := object[status](alice, "status").Connections
			input, want := "", []string{}
			for i := range 100 {
				text := fmt.Sprintf("%d %s", i+1, strings.Repeat("x", 4<<10))
				input += text + "\n"
				want = append(want, text)
			}
			ctx, cancel := context.WithTimeout(context.Background(), lab.Patience())
			defer cancel()
			if r := alice.RunInput(ctx, input, "send", "@bob", "--lines", "--wait", "0"); r.Code != exitDone {
				t.Fatal(r)
			}
			l.Within(30*time.Second, time.Now(), "400 KiB over a link of 1 Mbit/s", bob.has(alice, want))
			agree(t, alice, bob, want)
			after := object[status](alice, "status").Connections
			if len(before) != 1 || len(after) != 1 || before[0] != after[0] {
				t.Errorf("connections before %+v, after %+v", before, after)
			}
		})
	}
}

// Two machines with two cables each, to two switches: still one row and one
// connection for each other, and when one cable is pulled, the other serves.
func TestTwoCables(t *testing.T) {
	t.Parallel()
	for transport, listen := range transports {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			l := lab.New(t, 0)
			both := lab.On(l.Switches[0], l.AddSwitch())
			l.AddHost(both)
			l.AddHost(both)
			alice, bob := pair(t, l, "--listen", listen)
			l.Within(10*time.Second, time.Now(), "one connection over two cables", oneConnectionEach([]*person{alice, bob}))
			l.Within(10*time.Second, time.Now(), "both addresses known", func(context.Context) error {
				if got := alice.peers(); len(got) != 1 || len(got[0].Addrs) < 2 {
					return fmt.Errorf("alice lists %+v", got)
				}
				return nil
			})
			alice.tell(bob, "two cables")
			want := []string{"two cables"}
			for i, nic := range bob.NICs {
				nic.PortDown()
				alice.leave(bob, fmt.Sprintf("without cable %d", i+1))
				want = append(want, fmt.Sprintf("without cable %d", i+1))
				l.Within(20*time.Second, time.Now(), "by the other cable", bob.has(alice, want))
				nic.PortUp()
				l.Within(20*time.Second, time.Now(), "both cables again", everyoneSees([]*person{alice, bob}))
			}
			agree(t, alice, bob, want)
		})
	}
}
