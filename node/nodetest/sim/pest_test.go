package sim

import (
	"errors"
	"math/rand/v2"
	"testing"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"

	"p2pchat/node/internal/antientropy"
	"p2pchat/node/internal/rooms"
)

// pest is an outsider who knows the room's ID, is connected to everybody, and
// means ill.
type pest struct {
	*Outsider
	t   *testing.T
	few *few
	tap *Tap
}

func newPest(t *testing.T, f *few) *pest {
	t.Helper()
	o := must(f.AddOutsider(t.Context()))(t)
	t.Cleanup(func() { _ = o.Close() })
	p := &pest{Outsider: o, t: t, few: f, tap: must(o.Topic(f.room))(t)}
	p.meet()
	return p
}

// meet connects to whoever lets it.
func (p *pest) meet() {
	for _, n := range p.few.all {
		_ = p.Meet(p.t.Context(), n)
	}
}

// shout publishes nonsense, what others said, and what they said with a bit
// turned, and sends nonsense to those who serve streams.
func (p *pest) shout(random *rand.Rand) {
	p.meet()
	noise := make([]byte, 200)
	for i := range noise {
		noise[i] = byte(random.IntN(256))
	}
	payloads := [][]byte{noise, nil}
	if heard := p.tap.Heard(); len(heard) > 0 {
		old := heard[random.IntN(len(heard))]
		bent := append([]byte(nil), old...)
		bent[random.IntN(len(bent))] ^= 1 << random.IntN(8)
		payloads = append(payloads, old, bent)
	}
	for _, b := range payloads {
		_ = p.tap.Publish(p.t.Context(), b)
	}
	for _, n := range p.few.all {
		for _, id := range []protocol.ID{antientropy.Protocol, rooms.JoinProtocol, rooms.DirectoryProtocol} {
			p.scrawl(n, id, noise)
		}
	}
}

func (p *pest) scrawl(n *Node, id protocol.ID, noise []byte) {
	to, err := peer.Decode(n.ID)
	check(p.t, err)
	st, err := p.NewStream(p.t.Context(), to, id)
	if err != nil {
		return // it is stopped, or cut off
	}
	_, err = st.Write(noise)
	_ = errors.Join(err, st.CloseWrite())
}
