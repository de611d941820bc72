package wireshark_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// spoken is a line and the packets that brought it.
type spoken struct {
	side       int
	text       string
	begin, end int
}

// chatter is a conversation of two people, in a room and outside. It returns the
// capture, from which packet on the connection is established, and the lines.
func chatter(t *testing.T, dial func(*testing.T, int) talker) (*capture, int, []spoken) {
	t.Helper()
	c := dial(t, 0)
	meet(t, c)
	r := newRoom(t, "help desk")
	negotiate(c, dialer, directStream, "/p2pchat/direct/1.0.0", nil)
	negotiate(c, dialer, gossipStream, "/meshsub/1.3.0", nil)
	negotiate(c, listener, gossipStream+1, "/meshsub/1.3.0", nil)
	begin := c.count()
	var all []spoken
	for i := range 40 {
		side := i / 2 % 2
		line := spoken{side: side, text: fmt.Sprintf("line %d of %s", i, strings.Repeat("w", i*i*3)), begin: c.count()}
		if i%2 == 0 {
			c.write(side, directStream, batch(t, text(t, i+1, conversation, people[side], line.text)))
		} else {
			c.write(side, gossipStream+side, r.publish(t, text(t, i+1, r.id, people[side], line.text)))
		}
		line.end = c.count()
		all = append(all, line)
	}
	made := c.done()
	made.packets[0].comment = "somebody's remark\n" + r.comment("help desk")
	return made, begin, all
}

// heard reads the lines of a capture, and fails the test if one was not said, not
// by him, or is there twice.
func heard(t *testing.T, prefs []string, made *capture, all []spoken, passes int) map[string]bool {
	t.Helper()
	got := map[string]bool{}
	for _, l := range lines(t, prefs, made.write(t), passes) {
		if !slices.ContainsFunc(all, func(s spoken) bool { return said(s.side, s.text) == l }) {
			t.Errorf("nobody said %.80q", l)
		}
		if got[l] {
			t.Errorf("twice: %.80q", l)
		}
		got[l] = true
	}
	return got
}

// TestDisorder: packets that come twice or in another order change nothing.
func TestDisorder(t *testing.T) {
	t.Parallel()
	for transport, dial := range transports {
		for seed := range uint64(3) {
			t.Run(fmt.Sprintf("%s/%d", transport, seed), func(t *testing.T) {
				t.Parallel()
				made, begin, all := chatter(t, dial)
				rng := rand.New(rand.NewPCG(seed, 0))
				for i := begin; i < len(made.packets); i++ {
					switch rng.IntN(4) {
					case 0:
						made.packets = slices.Insert(made.packets, min(i+1+rng.IntN(5), len(made.packets)), made.packets[i])
					case 1:
						j := min(i+1+rng.IntN(3), len(made.packets)-1)
						made.packets[i], made.packets[j] = made.packets[j], made.packets[i]
					}
				}
				for _, how := range []struct {
					passes int
					prefs  []string
				}{{1, nil}, {2, nil}, {1, installed}} {
					got := heard(t, how.prefs, made, all, how.passes)
					for _, s := range all {
						if !got[said(s.side, s.text)] {
							t.Errorf("in %d passes with %v missing: %.40q of packets %d to %d", how.passes, how.prefs, s.text, s.begin, s.end)
						}
					}
				}
			})
		}
	}
}

// TestLoss: what was in packets that the capture lacks is missing, and over TCP, of
// which Wireshark can decrypt nothing behind a lost record, what was said after by
// the same side. Nothing is ever wrong.
func TestLoss(t *testing.T) {
	t.Parallel()
	for transport, dial := range transports {
		for seed := range uint64(4) {
			t.Run(fmt.Sprintf("%s/%d", transport, seed), func(t *testing.T) {
				t.Parallel()
				made, begin, all := chatter(t, dial)
				rng := rand.New(rand.NewPCG(seed, 1))
				lost := map[int]bool{}
				var kept []packet
				for i, p := range made.packets {
					if i > begin && rng.IntN(15) == 0 {
						lost[i] = true
						continue
					}
					kept = append(kept, p)
				}
				first := [2]int{len(made.packets), len(made.packets)} // lost, of each side
				for i := range lost {
					side := int(made.packets[i].data[29]) - 1 // the last byte of the source address
					first[side] = min(first[side], i)
				}
				whole := *made
				made = &capture{keys: whole.keys, packets: kept}
				prefs := [][]string{nil, installed}[seed%2]
				got := heard(t, prefs, made, all, 1)
				missing := 0
				for _, s := range all {
					excused := transport == "tcp" && s.end > first[s.side]
					for i := s.begin; i < s.end; i++ {
						excused = excused || lost[i]
					}
					if !got[said(s.side, s.text)] {
						missing++
						if !excused {
							t.Errorf("missing: %.40q of packets %d to %d, lost are %v", s.text, s.begin, s.end, lost)
						}
					}
				}
				if missing == 0 {
					t.Error("nothing is missing, so this test shows nothing")
				}
			})
		}
	}
}
