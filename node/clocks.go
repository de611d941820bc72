package node

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"p2pchat/node/api"
	"p2pchat/protocol/identity"
)

// clocks is what others' profiles, which they sign when they introduce themselves,
// tell of their clocks.
type clocks struct {
	mu sync.Mutex
	// offset is how far a peer's clock was ahead of ours when it last introduced
	// itself. Who is ahead by more than identity.MaxProfileAhead was sent away.
	offset map[peer.ID]time.Duration
}

// maxClocks bounds what is remembered: whoever is on the LAN can make up peers.
const maxClocks = 1024

func newClocks() *clocks { return &clocks{offset: map[peer.ID]time.Duration{}} }

func (c *clocks) note(p peer.ID, ahead time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, known := c.offset[p]; known || len(c.offset) < maxClocks {
		c.offset[p] = ahead
	}
}

// apart lists the peers whose clock is ahead of ours, or behind it, by more than
// profiles may be dated ahead, and counts all others.
func (c *clocks) apart() (ahead, behind []peer.ID, others int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for p, by := range c.offset {
		switch {
		case by > identity.MaxProfileAhead:
			ahead = append(ahead, p)
		case by < -identity.MaxProfileAhead:
			behind = append(behind, p)
		default:
			others++
		}
	}
	slices.Sort(ahead)
	slices.Sort(behind)
	return ahead, behind, others
}

func (c *clocks) of(p peer.ID) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.offset[p]
}

// clockNoted tells the person when somebody can't be talked to because of a clock.
func (n *Node) clockNoted(p peer.ID, ahead time.Duration) {
	n.clocks.note(p, ahead)
	n.notice(causeClock, n.clockTrouble())
}

// clockTrouble is empty if everybody's clock is good enough.
func (n *Node) clockTrouble() string {
	ahead, _, others := n.clocks.apart()
	const until = "nothing is exchanged until both agree within a minute"
	switch {
	case len(ahead) == 0:
		return ""
	case others == 0 && len(ahead) > 1:
		return fmt.Sprintf("the clocks of all %d others are ahead of this machine's, that of %s by %s: set this machine's clock; %s",
			len(ahead), n.people.called(ahead[0]), apartBy(n.clocks.of(ahead[0])), until)
	}
	return fmt.Sprintf("the clock of %s is %s ahead of this machine's: set the one that is wrong; %s", n.people.called(ahead[0]), apartBy(n.clocks.of(ahead[0])), until)
}

func apartBy(d time.Duration) string { return d.Abs().Round(time.Second).String() }

func (n *Node) clockFinding() api.Finding {
	f := api.Finding{Check: "clock", Level: api.LevelOK}
	ahead, behind, others := n.clocks.apart()
	switch {
	case len(ahead) > 0:
		f.Level, f.Seen = api.LevelFail, n.clockTrouble()
	case len(behind) > 0:
		f.Level = api.LevelWarn
		f.Seen = fmt.Sprintf("the clock of %s is %s behind this machine's; it takes nothing from here", n.people.called(behind[0]), apartBy(n.clocks.of(behind[0])))
	case others == 0:
		f.Seen = "nobody to compare with"
		return f
	case others == 1:
		f.Seen = "agrees with that of one other"
		return f
	default:
		f.Seen = fmt.Sprintf("agrees with those of %d others", others)
		return f
	}
	f.Advice = "set the clock that is wrong: `date` shows it, `sudo date -s 'YYYY-MM-DD hh:mm:ss'` sets it on Linux and macOS, `Set-Date` on Windows"
	return f
}
