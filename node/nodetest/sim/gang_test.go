package sim

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	"google.golang.org/protobuf/proto"

	"p2pchat/node/internal/antientropy"
	"p2pchat/node/internal/direct"
	"p2pchat/node/internal/hello"
	"p2pchat/node/internal/rooms"
	"p2pchat/node/internal/store"
	"p2pchat/node/nodetest/campaign"
	"p2pchat/protocol/envelope"
	"p2pchat/protocol/event"
	"p2pchat/protocol/identity"
	"p2pchat/protocol/pb"
	"p2pchat/protocol/room"
)

// gang is who means ill: mallory, whose node runs our program, is a member, and
// signs what she likes; a spy on the topic; and couriers, each on the network
// for as long as it takes to publish something.
type gang struct {
	net     *Net
	mallory *Node
	honest  []*Node
	random  *mathrand.Rand
	room    event.Conversation
	spy     *Outsider
	ear     *Tap           // the spy's
	past    []*event.Event // the control lane before she was banned
	grant   event.ID       // what she has her standing from
	usurped []string
	count   int
}

// infiltrate is called once mallory has her standing.
func (g *gang) infiltrate(ctx context.Context, id string) error {
	parsed, err := event.ParseID(id)
	if err != nil {
		return err
	}
	g.room = event.Conversation(parsed)
	if g.spy, err = g.net.AddOutsider(ctx); err != nil {
		return err
	}
	g.meetAll(ctx, g.spy)
	if g.ear, err = g.spy.Topic(id); err != nil {
		return err
	}
	if err := g.look(ctx, func(st *store.Store) (err error) { g.past, err = st.Controls(ctx, g.room); return }); err != nil {
		return err
	}
	for _, e := range g.past {
		if op, _, err := room.DecodeOp(e.Kind, e.Body); err == nil && op.Kind == room.KindSet && op.Target == g.mallory.key.ID() {
			g.grant = e.ID
		}
	}
	if g.grant == (event.ID{}) {
		return errors.New("mallory does not know of her standing")
	}
	return nil
}

// look reads mallory's store.
func (g *gang) look(ctx context.Context, f func(*store.Store) error) error {
	st, err := store.Open(ctx, g.mallory.dir, store.Options{ReadOnly: true})
	if err != nil {
		return err
	}
	return errors.Join(f(st), st.Close())
}

// meetAll connects to whoever runs and can be reached.
func (g *gang) meetAll(ctx context.Context, o *Outsider) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	var dials sync.WaitGroup
	for _, n := range g.honest {
		dials.Go(func() { _ = o.Meet(ctx, n) })
	}
	dials.Wait()
}

// close ends the spy.
func (g *gang) close() error {
	if g.spy == nil {
		return nil
	}
	return g.spy.Close()
}

func (g *gang) attack(ctx context.Context, what string) error {
	g.count++
	switch what {
	case campaign.Noise:
		return g.noise(ctx)
	case campaign.Replay:
		return g.replay(ctx)
	}
	var contents []*envelope.Content
	err := g.look(ctx, func(st *store.Store) error {
		s, err := g.signer(ctx, st)
		if err != nil {
			return err
		}
		switch what {
		case campaign.Forge:
			contents, err = s.forge()
		case campaign.Equivocate:
			contents, err = s.equivocate()
		case campaign.Usurp:
			contents, err = s.usurp()
		case campaign.Strip:
			contents, err = s.strip(ctx, st)
		case campaign.Backdate:
			contents, err = s.backdate()
		default:
			err = fmt.Errorf("no attack is called %q", what)
		}
		return err
	})
	if err != nil {
		return err
	}
	return g.publish(ctx, contents...)
}

// publish seals contents with every key of the room that mallory has, and has a
// courier publish them.
func (g *gang) publish(ctx context.Context, contents ...*envelope.Content) error {
	var keys map[event.ID][32]byte
	if err := g.look(ctx, func(st *store.Store) (err error) { keys, err = st.Epochs(ctx, g.room); return }); err != nil {
		return err
	}
	var payloads [][]byte
	for epoch, key := range keys {
		for _, c := range contents {
			p, err := envelope.Seal(rand.Reader, g.room, epoch, key, c, false)
			if err != nil {
				return err
			}
			payloads = append(payloads, p)
		}
	}
	return g.deliver(ctx, payloads)
}

// deliver has a courier publish payloads to whoever can be reached.
func (g *gang) deliver(ctx context.Context, payloads [][]byte) error {
	o, err := g.net.AddOutsider(ctx)
	if err != nil {
		return err
	}
	defer o.Close()
	g.meetAll(ctx, o)
	tap, err := o.Topic(event.ID(g.room).String())
	if err != nil {
		return err
	}
	_ = Until(3*time.Second, func() error {
		if tap.Peers() < len(g.honest) {
			return errors.New("not all are there")
		}
		return nil
	})
	for _, p := range payloads {
		if err := tap.Publish(ctx, p); err != nil {
			return err
		}
	}
	time.Sleep(time.Second) // they have to leave before he does
	return nil
}

// replay publishes what was heard once more, as it was and bent, and sealed anew,
// so that gossip does not know it.
func (g *gang) replay(ctx context.Context) error {
	heard := g.ear.Heard()
	var payloads [][]byte
	for range min(20, len(heard)) {
		old := heard[g.random.IntN(len(heard))]
		bent := bytes.Clone(old)
		bent[g.random.IntN(len(bent))] ^= 1 << g.random.IntN(8)
		payloads = append(payloads, old, bent)
	}
	if err := g.deliver(ctx, payloads); err != nil {
		return err
	}
	held, err := campaign.Disk(ctx, g.mallory.dir)
	if err != nil {
		return err
	}
	var contents []*envelope.Content
	err = g.look(ctx, func(st *store.Store) error {
		for id := range held {
			parsed, err := event.ParseID(id)
			if err != nil {
				return err
			}
			es, err := st.EventsByID(ctx, []event.ID{parsed}, 1<<20)
			if err != nil {
				return err
			}
			for _, e := range es {
				if e.Conversation == g.room {
					contents = append(contents, &envelope.Content{Events: []*event.Event{e}})
				}
			}
			if len(contents) >= 40 {
				break
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return g.publish(ctx, append(contents, contents...)...)
}

// noise sends garbage, and frames larger and lists longer than allowed, on every
// protocol.
func (g *gang) noise(ctx context.Context) error {
	o, err := g.net.AddOutsider(ctx)
	if err != nil {
		return err
	}
	defer o.Close()
	g.meetAll(ctx, o)
	noise := make([]byte, 1000)
	for i := range noise {
		noise[i] = byte(g.random.IntN(256))
	}
	many := make([]*pb.LogHead, 70000)
	for i := range many {
		log := binary.BigEndian.AppendUint64(nil, uint64(i+1))
		many[i] = &pb.LogHead{Author: []byte(o.Key.ID()), Log: log, Seq: 1 << 40, Id: noise[:32]}
	}
	e, err := g.line(o.Key, event.Direct(o.Key.ID(), g.honest[0].key.ID()))
	if err != nil {
		return err
	}
	batch := &pb.EventBatch{Events: []*pb.Event{e.Wire()}}
	// By protocol, what is written on one stream.
	streams := map[protocol.ID][][]proto.Message{
		antientropy.Protocol: {
			{&pb.SyncFrame{Open: &pb.SyncOpen{Room: g.room[:], Digest: noise[:32]}}, &pb.SyncFrame{Heads: &pb.Frontier{Heads: many[:5000]}, End: true}},
			{&pb.SyncFrame{Open: &pb.SyncOpen{Room: g.room[:], Digest: noise[:32]}}, &pb.SyncFrame{Want: make([]byte, 32*70000), End: true}},
			{&pb.SyncFrame{Open: &pb.SyncOpen{Room: g.room[:], Digest: noise[:32]}}, &pb.SyncFrame{Events: batch, Control: noise[:992], End: true}},
		},
		direct.Protocol: {
			{&pb.DirectFrame{Frontier: &pb.Frontier{Heads: many[:40]}}},
			{&pb.DirectFrame{Frontier: &pb.Frontier{Heads: many}}},
			{&pb.DirectFrame{Frontier: &pb.Frontier{}}, &pb.DirectFrame{Events: batch}, &pb.DirectFrame{Events: batch}},
		},
		hello.Protocol:          nil,
		rooms.JoinProtocol:      nil,
		rooms.DirectoryProtocol: nil,
	}
	for _, n := range g.honest {
		for id, all := range streams {
			for _, raw := range [][]byte{noise, framed(noise), binary.AppendUvarint(nil, 1<<62), framed(make([]byte, 1<<20+1))} {
				g.scrawl(ctx, o, n, id, raw)
			}
			for _, frames := range all {
				var raw []byte
				for _, m := range frames {
					b, err := proto.Marshal(m)
					if err != nil {
						return err
					}
					raw = append(raw, framed(b)...)
				}
				g.scrawl(ctx, o, n, id, raw)
			}
		}
	}
	time.Sleep(time.Second)
	return nil
}

func framed(b []byte) []byte { return append(binary.AppendUvarint(nil, uint64(len(b))), b...) }

func (g *gang) scrawl(ctx context.Context, o *Outsider, n *Node, id protocol.ID, raw []byte) {
	to, err := peer.Decode(n.ID)
	if err != nil || len(o.Network().ConnsToPeer(to)) == 0 {
		return // it is stopped, or cut off
	}
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	st, err := o.NewStream(ctx, to, id)
	if err != nil {
		return
	}
	_ = st.SetWriteDeadline(time.Now().Add(time.Second))
	_, err = st.Write(raw)
	_ = errors.Join(err, st.CloseWrite())
}

// line is one of a conversation.
func (g *gang) line(k identity.Key, c event.Conversation) (*event.Event, error) {
	body, err := event.EncodeText("hello")
	if err != nil {
		return nil, err
	}
	return event.Sign(k, event.Header{
		Conversation: c, Lane: event.LaneMessage, Log: event.LogID{1}, Seq: 1, Time: event.At(time.Now()), Kind: event.KindText,
	}, body)
}

// victim is some honest member's, but not the owner's.
func (g *gang) victim() *Node { return g.honest[1+g.random.IntN(len(g.honest)-1)] }
