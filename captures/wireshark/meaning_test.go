package wireshark_test

import (
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	pubsub "github.com/libp2p/go-libp2p-pubsub/pb"
	"github.com/libp2p/go-libp2p/core/peer"
	identify "github.com/libp2p/go-libp2p/p2p/protocol/identify/pb"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"p2pchat/protocol/pb"
)

// shows fails the test unless the fields of the packets that a filter shows are
// these, a packet a row, in one pass and in two.
func shows(t *testing.T, file, filter string, fields []string, want ...string) {
	t.Helper()
	for passes := 1; passes <= 2; passes++ {
		var got []string
		for _, r := range rows(t, file, filter, passes, fields...) {
			got = append(got, strings.Join(r, " "))
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s in %d passes shows\n%s\nwant\n%s", filter, passes, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
}

// TestRepeats: what was said before is marked, and no line is there twice, also
// where one packet has both.
func TestRepeats(t *testing.T) {
	t.Parallel()
	for transport, dial := range transports {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			c := dial(t, 0)
			meet(t, c)
			r := newRoom(t, "help desk")
			one, two, three := text(t, 1, r.id, people[0], "one"), text(t, 2, r.id, people[1], "two"), text(t, 3, r.id, people[0], "three")
			dropped := text(t, 4, r.id, people[0], "four")
			body := dropped.Body
			dropped.Body = nil // as one that was retracted travels
			negotiate(c, dialer, gossipStream, "/meshsub/1.2.0", nil)
			c.write(dialer, gossipStream, r.publish(t, one))
			negotiate(c, dialer, syncStream, "/p2pchat/sync/1.0.0", nil)
			sync := func(events ...*pb.Event) {
				c.write(listener, syncStream, delimited(t, &pb.SyncFrame{Events: &pb.EventBatch{Events: events}}))
			}
			sync(one)          // again
			sync(one, two)     // again, and one that is new
			sync(two, dropped) // again, and one that says nothing
			dropped.Body = body
			sync(dropped)             // now it does
			sync(dropped, two, three) // again, again, new
			c.write(dialer, gossipStream, r.publish(t, one, two))
			made := c.done()
			made.packets[0].comment = r.comment("help desk")
			file := made.write(t)
			want := []string{"client one", "server two", "client four", "client three"}
			shows(t, file, "p2pchat.text", []string{"p2pchat.from", "p2pchat.text"}, want...)
			shows(t, file, "p2pchat.text && !p2pchat.repeat", []string{"p2pchat.from", "p2pchat.text"}, want...)
			shows(t, file, "p2pchat.repeat", []string{"p2pchat.repeat.from", "p2pchat.repeat.text"}, "client one", "server two", "client|server one|two")
			shows(t, file, "p2pchat.repeat.text && p2pchat.text", []string{"p2pchat.repeat.text", "p2pchat.text"}, "one two", "four|two three")
			if first := rows(t, file, "p2pchat.text == one", 1, "frame.number")[0][0]; first != "" {
				shows(t, file, "p2pchat.event.first == "+first, []string{"p2pchat.author"}, "client", "client|server", "client|server")
			}
			shows(t, file, `p2pchat.text contains "thr"`, []string{"p2pchat.room", "p2pchat.room.id", "p2pchat.kind"},
				fmt.Sprintf("help desk %x text|text|text", r.id))
		})
	}
}

// TestSealed: what cannot be opened is shown as sealed, with what stands outside.
func TestSealed(t *testing.T) {
	t.Parallel()
	made := func(t *testing.T) (*capture, *room, int) {
		c := newTCP(t, 0)
		meet(t, c)
		r := newRoom(t, "help desk")
		negotiate(c, dialer, gossipStream, "/meshsub/1.2.0", nil)
		at := c.count()
		c.write(dialer, gossipStream, r.publish(t, text(t, 1, r.id, people[0], "secret")))
		return c.done(), r, at
	}
	fields := []string{"p2pchat.text", "p2pchat.sealed", "p2pchat.envelope.epoch", "_ws.expert.message"}
	t.Run("no key", func(t *testing.T) {
		t.Parallel()
		c, r, _ := made(t)
		shows(t, c.write(t), "p2pchat.envelope.sealed", fields, fmt.Sprintf(" %d %x Sealed, and its key is not known", r.sealed, r.epoch))
	})
	t.Run("wrong key", func(t *testing.T) {
		t.Parallel()
		c, r, _ := made(t)
		r.key = make([]byte, 32)
		c.packets[2].comment = r.comment("help desk")
		shows(t, c.write(t), "p2pchat.envelope.sealed", fields, fmt.Sprintf(" %d %x Sealed, and its key does not open it", r.sealed, r.epoch))
	})
	t.Run("key with the packet", func(t *testing.T) {
		t.Parallel()
		c, r, at := made(t)
		c.packets[at].comment = r.comment("a # name, with = in it")
		shows(t, c.write(t), "p2pchat.text", []string{"p2pchat.text", "p2pchat.room"}, "secret a # name, with = in it")
	})
	t.Run("key that comes late", func(t *testing.T) {
		t.Parallel()
		c, r, at := made(t)
		c.packets[at+1].comment = r.comment("help desk")
		file := c.write(t)
		first := rows(t, file, "p2pchat.envelope.sealed", 1, "p2pchat.sealed", "p2pchat.text")
		second := rows(t, file, "p2pchat.envelope.sealed", 2, "p2pchat.sealed", "p2pchat.text")
		if want := []string{fmt.Sprint(r.sealed), ""}; len(first) != 1 || !slices.Equal(first[0], want) {
			t.Errorf("one pass shows %q", first)
		}
		if want := []string{"", "secret"}; len(second) != 1 || !slices.Equal(second[0], want) {
			t.Errorf("two passes show %q", second)
		}
	})
	t.Run("key in a grant", func(t *testing.T) {
		t.Parallel()
		c := newQUIC(t, 0)
		r := newRoom(t, "help desk")
		negotiate(c, dialer, joinStream, "/p2pchat/join/1.0.0", delimited(t, &pb.JoinAsk{Room: r.id, Enter: &pb.JoinEnter{Nick: "client"}}))
		c.write(listener, joinStream, delimited(t, &pb.JoinAnswer{Control: &pb.EventBatch{Events: []*pb.Event{r.genesis}}}))
		c.write(listener, joinStream, delimited(t, &pb.JoinAnswer{Grant: &pb.JoinGrant{Keys: []*pb.EpochKey{{Epoch: r.epoch, Key: r.key}}}}))
		negotiate(c, dialer, gossipStream, "/floodsub/1.0.0", r.publish(t, text(t, 1, r.id, people[0], "secret")))
		shows(t, c.done().write(t), "p2pchat.text", []string{"p2pchat.text", "p2pchat.room"}, "secret help desk")
	})
}

// TestNames: people are called by their usernames, or what a comment says, or
// their peer IDs.
func TestNames(t *testing.T) {
	t.Parallel()
	c := newTCP(t, 0)
	negotiate(c, dialer, directStream, "/p2pchat/direct/1.0.0", nil)
	c.write(dialer, directStream, batch(t, text(t, 1, conversation, people[0], "who am I?")))
	c.write(listener, directStream, batch(t, text(t, 1, conversation, people[1], "and I?")))
	meet(t, c)
	c.write(listener, directStream, batch(t, text(t, 2, conversation, people[1], "ah")))
	made := c.done()
	made.packets[1].comment = fmt.Sprintf("p2pchat peer=%s name=from a comment", peer.ID(people[1]))
	file := made.write(t)
	shows(t, file, "p2pchat.text", []string{"p2pchat.from", "p2pchat.to", "p2pchat.text"},
		peer.ID(people[0]).String()+"  who am I?", "from a comment  and I?", "from a comment client ah")
	shows(t, file, `p2pchat.author == "from a comment"`, []string{"p2pchat.author.peer"}, peer.ID(people[1]).String(), peer.ID(people[1]).String())
}

// TestForgedBody: somebody who passes an event on with another body, and a wrong key,
// puts no words into its author's mouth and locks nobody out.
func TestForgedBody(t *testing.T) {
	t.Parallel()
	c := newTCP(t, 0)
	r := newRoom(t, "help desk")
	true1 := text(t, 1, r.id, people[0], "what I said")
	forged := proto.CloneOf(true1)
	forged.Body = text(t, 1, r.id, people[0], "what I never said").Body
	negotiate(c, dialer, joinStream, "/p2pchat/join/1.0.0", delimited(t, &pb.JoinAsk{Room: r.id, Push: &pb.JoinPush{
		Grant: &pb.JoinGrant{Keys: []*pb.EpochKey{{Epoch: r.epoch, Key: make([]byte, 32)}}},
	}}))
	negotiate(c, dialer, directStream, "/p2pchat/direct/1.0.0", batch(t, forged))
	negotiate(c, dialer, gossipStream, "/floodsub/1.0.0", nil)
	at := c.count()
	c.write(dialer, gossipStream, r.publish(t, true1))
	made := c.done()
	made.packets[at].comment = r.comment("help desk")
	shows(t, made.write(t), "p2pchat.text", []string{"p2pchat.text"}, "what I said")
}

// TestInfo: the Info column reads like the chat.
func TestInfo(t *testing.T) {
	t.Parallel()
	for transport, dial := range transports {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			c := dial(t, 0)
			meet(t, c)
			r := newRoom(t, "help desk")
			two := func(kind int, lane pb.Lane, body any) *pb.Event {
				switch b := body.(type) {
				case *pb.AmendBody:
					return event(t, lane, kind, 9, r.id, people[0], b)
				case *pb.RoomSet:
					return event(t, lane, kind, 9, r.id, people[1], b)
				}
				t.Fatal("no such body")
				return nil
			}
			negotiate(c, dialer, roomsStream, "/p2pchat/rooms/1.0.0", delimited(t, &pb.DirectoryAsk{}))
			c.write(listener, roomsStream, delimited(t, &pb.DirectoryAnswer{Rooms: []*pb.RoomEntry{{Genesis: r.genesis, Name: "help desk"}}}))
			negotiate(c, dialer, directStream, "/p2pchat/direct/1.0.0", batch(t, text(t, 1, conversation, people[0], "Hi! server,\nneed help")))
			c.write(listener, directStream, delimited(t, &pb.DirectFrame{Typing: true}))
			c.write(listener, directStream, batch(t, event(t, 1, 27, 1, conversation, people[1], &pb.RoomPrivate{Room: r.id, Text: "psst"})))
			yes, topic := true, r.topic
			negotiate(c, dialer, gossipStream, "/meshsub/1.3.0", delimited(t, &pubsub.RPC{
				Subscriptions: []*pubsub.RPC_SubOpts{{Subscribe: &yes, Topicid: &topic}},
				Control:       &pubsub.ControlMessage{Graft: []*pubsub.ControlGraft{{TopicID: &topic}}},
			}))
			negotiate(c, dialer, syncStream, "/p2pchat/sync/1.0.0", delimited(t, &pb.SyncFrame{Open: &pb.SyncOpen{Room: r.id}}))
			c.write(listener, syncStream, delimited(t, &pb.SyncFrame{Answer: pb.SyncAnswer_SYNC_ANSWER_REFUSED}))
			c.write(listener, syncStream, delimited(t, &pb.SyncFrame{Events: &pb.EventBatch{Events: []*pb.Event{
				text(t, 1, r.id, people[1], "welcome"),
				two(2, 1, &pb.AmendBody{Target: r.id, Text: "better"}), two(4, 1, &pb.AmendBody{Target: r.id, Text: "👍"}),
				two(17, 2, &pb.RoomSet{Target: people[0], Standing: pb.Standing_STANDING_OUTCAST, Reason: "noise"}),
			}}}))
			negotiate(c, dialer, joinStream, "/p2pchat/join/1.0.0", delimited(t, &pb.JoinAsk{Room: r.id, Ping: true}))
			c.write(listener, joinStream, delimited(t, &pb.JoinAnswer{Refusal: &pb.JoinRefusal{Code: "banned", Message: "go away"}}))
			file := c.done().write(t)
			var got []string
			for _, r := range rows(t, file, "p2pchat", 1, "_ws.col.Info") {
				got = append(got, r[0])
			}
			want := []string{
				"hello profile of client", "hello profile of server",
				"rooms", "server makes the room #help desk",
				"client: Hi! server, need help", "direct typing", "server → client in #help desk: psst",
				"sync open #help desk", "refused: sync",
				"server → #help desk: welcome · client in #help desk edits: better · client in #help desk reacts 👍 · server in #help desk bans client (noise)",
				"join #help desk, ping", "refused: banned (go away)",
			}
			if !slices.Equal(got, want) {
				t.Errorf("read\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
			shows(t, file, "gossipsub.control_graft.topic_id", []string{"_ws.col.Info", "_ws.col.Protocol"}, "GossipSub SUBSCRIBE #help desk, GRAFT #help desk P2PCHAT/GossipSub")
			shows(t, file, "p2pchat.refusal", []string{"p2pchat.refusal", "_ws.expert.message"}, "sync Refused: sync", "banned Refused: banned")
			shows(t, file, `p2pchat.kind == "ban"`, []string{"p2pchat.room_set.reason", "p2pchat.edit.text", "p2pchat.reaction"}, "noise better 👍")
			shows(t, file, `p2pchat.text == "psst"`, []string{"p2pchat.from", "p2pchat.to", "p2pchat.room"}, "server client help desk")
		})
	}
}

// TestStrange: what cannot be read is counted and never taken for something else,
// and what comes after on other streams is read.
func TestStrange(t *testing.T) {
	t.Parallel()
	for transport, dial := range transports {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			c := dial(t, 0)
			meet(t, c)
			negotiate(c, dialer, otherStream, "/other/1.0.0", []byte("not ours"))
			c.write(listener, otherStream, []byte("nor this"))
			negotiate(c, dialer, directStream, "/p2pchat/direct/1.0.0", []byte{3, 0xff, 0xff, 0xff})
			c.write(dialer, directStream, batch(t, text(t, 1, conversation, people[0], "still here")))
			c.write(dialer, directStream, []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1})
			hash := sha256.Sum256(nil)
			evil := &pb.Event{Header: []byte("no header"), Signature: hash[:], Body: hash[:]}
			negotiate(c, listener, syncStream, "/p2pchat/sync/1.0.0", delimited(t, &pb.SyncFrame{Events: &pb.EventBatch{Events: []*pb.Event{evil}}}))
			c.write(listener, syncStream, delimited(t, &pb.SyncFrame{Events: &pb.EventBatch{Events: []*pb.Event{
				text(t, 1, hash[:], people[1], "\x1b[31mred\x00 \u009b1m\t\n\u202emore"),
			}}}))
			file := c.done().write(t)
			shows(t, file, "p2pchat.undissected", []string{"p2pchat.undissected"}, "8", "8", "3", "12")
			shows(t, file, "p2pchat.text", []string{"p2pchat.text"}, "still here", ` [31mred   1m\t\n`+"\u202emore")
			shows(t, file, "_ws.lua.error", []string{"frame.number"})
			shows(t, file, "p2pchat.note_malformed", []string{"_ws.expert.message"}, "Not the message it should be")
		})
	}
}

// TestHostile: messages that are not quite what they should be break nothing: no
// fault of the plugin shows, and what comes after them is read.
func TestHostile(t *testing.T) {
	t.Parallel()
	const seeds, each = 2, 200
	for seed := range uint64(seeds) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			rng := rand.New(rand.NewPCG(seed, 2))
			f := &filler{t: t, names: fieldNames(), want: map[string][]string{}}
			c := newTCP(t, 9000)
			meet(t, c)
			r := newRoom(t, "help desk")
			streams := []struct {
				protocol string
				m        proto.Message
			}{
				{"/p2pchat/hello/1.0.0", &pb.HelloFrame{}},
				{"/p2pchat/direct/1.0.0", &pb.DirectFrame{}},
				{"/p2pchat/rooms/1.0.0", &pb.DirectoryAsk{}},
				{"/p2pchat/join/1.0.0", &pb.JoinAsk{}},
				{"/p2pchat/sync/1.0.0", &pb.SyncFrame{}},
				{"/ipfs/id/1.0.0", &identify.Identify{}},
				{"/meshsub/1.3.0", &pubsub.RPC{}},
			}
			for i, s := range streams {
				f.fill(s.m)
				negotiate(c, dialer, 100+i, s.protocol, nil)
			}
			for range each {
				i := rng.IntN(len(streams))
				var b []byte
				switch m := streams[i].m.(type) {
				case *pb.SyncFrame:
					body := bodies[rng.IntN(len(bodies))]
					m.Events = &pb.EventBatch{Events: []*pb.Event{f.event(body.lane, body.kind, body.body)}}
					b = marshal(t, m)
				case *pubsub.RPC:
					m.Publish[0].Topic = &r.topic
					m.Publish[0].Data = r.seal(t, &pb.Content{Events: &pb.EventBatch{Events: []*pb.Event{f.event(1, 1, &pb.TextBody{})}}})
					b = marshal(t, m)
				default:
					b = marshal(t, m)
				}
				for range rng.IntN(4) {
					at := rng.IntN(len(b))
					switch rng.IntN(4) {
					case 0:
						b[at] = byte(rng.Uint32())
					case 1:
						b[at] ^= 1 << rng.IntN(8)
					case 2:
						b = slices.Delete(b, at, min(at+1+rng.IntN(40), len(b)))
					case 3:
						b = slices.Insert(b, at, byte(rng.Uint32()))
					}
					if len(b) == 0 {
						break
					}
				}
				c.write(dialer, 100+i, protowire.AppendBytes(nil, b))
			}
			negotiate(c, listener, directStream, "/p2pchat/direct/1.0.0", batch(t, text(t, 1, conversation, people[1], "the end")))
			made := c.done()
			made.packets[0].comment = r.comment("help desk")
			file := made.write(t)
			shows(t, file, `p2pchat.text == "the end"`, []string{"p2pchat.text"}, "the end")
			if malformed := rows(t, file, "p2pchat.note_malformed", 1, "frame.number"); len(malformed) < each/10 {
				t.Errorf("only %d messages are malformed, so this test shows little", len(malformed))
			}
			for line := range strings.Lines(tshark(t, file, "-V")) {
				if strings.Contains(line, "Lua Error") || strings.Contains(line, "Fault of the plugin") {
					t.Error(strings.TrimSpace(line))
				}
			}
		})
	}
}

// TestMuxerNegotiated: the muxer chosen within TLS, as with peers that know no
// other way.
func TestMuxerNegotiated(t *testing.T) {
	t.Parallel()
	c := dialTCP(t, 0, "libp2p")
	c.raw(dialer, []byte(token("/multistream/1.0.0")+token("/yamux/1.0.0")))
	c.raw(listener, []byte(token("/multistream/1.0.0")))
	c.raw(listener, []byte(token("/yamux/1.0.0")))
	meet(t, c)
	negotiate(c, dialer, directStream, "/p2pchat/direct/1.0.0", batch(t, text(t, 1, conversation, people[0], "hello")))
	file := c.done().write(t)
	shows(t, file, "p2pchat.text", []string{"p2pchat.from", "p2pchat.text"}, "client hello")
	shows(t, file, "p2pchat.undissected", []string{"frame.number"})
}

// TestFirstFlight: negotiation and the beginning of TLS in one segment, as from
// peers that do not wait for an answer.
func TestFirstFlight(t *testing.T) {
	t.Parallel()
	c := newTCP(t, 9000)
	meet(t, c)
	negotiate(c, dialer, directStream, "/p2pchat/direct/1.0.0", batch(t, text(t, 1, conversation, people[0], "hello")))
	made := c.done()
	const tokens, hello = 3, 6 // packets
	made.packets[tokens].data = frame(addrs[0], addrs[1], 6, append(made.packets[tokens].data[34:], made.packets[hello].data[54:]...))
	made.packets = slices.Delete(made.packets, hello, hello+1)
	shows(t, made.write(t), "p2pchat.text", []string{"p2pchat.from", "p2pchat.text"}, "client hello")
}

// TestNoise: a connection that no capture can decrypt is said to be one.
func TestNoise(t *testing.T) {
	t.Parallel()
	made := &capture{}
	seq := [2]uint32{1000, 2000}
	say := func(side int, b string) {
		made.packets = append(made.packets, packet{data: tcpFrame(addrs[side], addrs[1-side], seq[side], seq[1-side], tcpPSH|tcpACK, []byte(b))})
		seq[side] += uint32(len(b))
	}
	say(0, token("/multistream/1.0.0")+token("/noise"))
	say(1, token("/multistream/1.0.0")+token("/noise"))
	say(0, "\x00\x20\x16\x03\x01")
	shows(t, made.write(t), "p2pchat.undissected", []string{"p2pchat.undissected", "_ws.expert.message"}, "5 Secured by Noise, which no capture can decrypt")
}
