package wireshark_test

import (
	"encoding/hex"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	pubsub "github.com/libp2p/go-libp2p-pubsub/pb"
	identify "github.com/libp2p/go-libp2p/p2p/protocol/identify/pb"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"p2pchat/captures/wireshark"
	"p2pchat/protocol/pb"
)

// fieldNames reads from the plugin's table what Wireshark calls the fields of each
// message: by message, as in p2pchat.LogHead, and number.
func fieldNames() map[string]map[protowire.Number]string {
	names := map[string]map[protowire.Number]string{}
	message := regexp.MustCompile(`^M\["([^"]+)"\]`)
	field := regexp.MustCompile(`^  \{(\d+), "([^"]+)"`)
	current := ""
	for line := range strings.Lines(string(wireshark.Plugin)) {
		if m := message.FindStringSubmatch(line); m != nil {
			current = m[1]
			names[current] = map[protowire.Number]string{}
		} else if m := field.FindStringSubmatch(line); m != nil && current != "" {
			n, err := strconv.Atoi(m[1])
			if err != nil {
				panic(err)
			}
			names[current][protowire.Number(n)] = m[2]
		}
	}
	return names
}

// filler fills messages with values that are nowhere else, and notes under which
// names tshark has to show them.
type filler struct {
	t     *testing.T
	names map[string]map[protowire.Number]string
	want  map[string][]string
	n     uint64
}

func (f *filler) name(d protoreflect.FieldDescriptor) string {
	m := d.ContainingMessage()
	prefix := map[protoreflect.FullName]string{"pubsub.pb": "gossipsub", "identify.pb": "identify", "p2pchat": "p2pchat"}[m.ParentFile().Package()]
	name := f.names[prefix+"."+string(m.Name())][d.Number()]
	if name == "" {
		f.t.Fatalf("the plugin has no name for %s", d.FullName())
	}
	return name
}

// nestedIn are the fields of bytes that hold a message.
func nestedIn(d protoreflect.FieldDescriptor) proto.Message {
	switch d.FullName() {
	case "p2pchat.SignedProfile.profile":
		return &pb.Profile{}
	case "p2pchat.SignedPresence.presence":
		return &pb.Presence{}
	}
	return nil
}

// fill sets every field of m, at every depth, and returns it.
func (f *filler) fill(m proto.Message) proto.Message {
	f.message(m.ProtoReflect())
	return m
}

func (f *filler) message(m protoreflect.Message) {
	if e, ok := m.Interface().(*pb.Event); ok {
		proto.Merge(e, f.event(pb.Lane_LANE_MESSAGE, 1, &pb.TextBody{}))
		return
	}
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		d := fields.Get(i)
		switch {
		case d.FullName() == "pubsub.pb.Message.data":
			continue // the caller seals something
		case d.IsList():
			list := m.Mutable(d).List()
			if d.Message() != nil {
				f.message(list.AppendMutable().Message())
				f.note(d, "")
			} else {
				list.Append(f.scalar(d))
				list.Append(f.scalar(d))
			}
		case d.Message() != nil:
			f.message(m.Mutable(d).Message())
			f.note(d, "")
		default:
			m.Set(d, f.scalar(d))
		}
	}
}

func (f *filler) note(d protoreflect.FieldDescriptor, value string) {
	f.want[f.name(d)] = append(f.want[f.name(d)], value)
}

func (f *filler) scalar(d protoreflect.FieldDescriptor) protoreflect.Value {
	f.n++
	switch d.Kind() {
	case protoreflect.BoolKind:
		f.note(d, "1")
		return protoreflect.ValueOfBool(true)
	case protoreflect.EnumKind:
		n := d.Enum().Values().Get(d.Enum().Values().Len() - 1).Number()
		f.note(d, strconv.Itoa(int(n)))
		return protoreflect.ValueOfEnum(n)
	case protoreflect.Uint32Kind:
		f.note(d, strconv.FormatUint(3e9+f.n, 10))
		return protoreflect.ValueOfUint32(uint32(3e9 + f.n))
	case protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		v := uint64(1)<<63 + f.n // more than a float keeps
		f.note(d, strconv.FormatUint(v, 10))
		return protoreflect.ValueOfUint64(v)
	case protoreflect.StringKind:
		s := fmt.Sprintf("wörd%d", f.n)
		if strings.HasSuffix(f.name(d), "message_ids") {
			f.note(d, hex.EncodeToString([]byte(s)))
		} else {
			f.note(d, s)
		}
		return protoreflect.ValueOfString(s)
	case protoreflect.BytesKind:
		b := fmt.Appendf(nil, "\xffbytes%026d", f.n)
		if m := nestedIn(d); m != nil {
			b = marshal(f.t, f.fill(m))
		}
		f.note(d, hex.EncodeToString(b))
		return protoreflect.ValueOfBytes(b)
	}
	f.t.Fatalf("no value for %s", d.FullName())
	return protoreflect.Value{}
}

// event is one whose header has every field set, and whose body is filled.
func (f *filler) event(lane pb.Lane, kind uint32, body proto.Message) *pb.Event {
	h := &pb.EventHeader{}
	b := marshal(f.t, f.fill(body))
	f.fill(h)
	fix := func(name protoreflect.Name, set func(), value string) {
		d := h.ProtoReflect().Descriptor().Fields().ByName(name)
		set()
		f.want[f.name(d)][len(f.want[f.name(d)])-1] = value
	}
	fix("lane", func() { h.Lane = lane }, strconv.Itoa(int(lane)))
	fix("kind", func() { h.Kind = kind }, strconv.Itoa(int(kind)))
	e := &pb.Event{Header: marshal(f.t, h), Signature: fmt.Appendf(nil, "signature%d", f.n), Body: b}
	for i, v := range [][]byte{e.Header, e.Signature, e.Body} {
		f.note(e.ProtoReflect().Descriptor().Fields().Get(i), hex.EncodeToString(v))
	}
	return e
}

// bodies are all kinds of events.
var bodies = []struct {
	lane pb.Lane
	kind uint32
	word string
	body proto.Message
}{
	{1, 1, "text", &pb.TextBody{}},
	{1, 2, "edit", &pb.AmendBody{}},
	{1, 3, "retraction", &pb.AmendBody{}},
	{1, 4, "reaction", &pb.AmendBody{}},
	{1, 16, "join", &pb.RoomJoin{}},
	{1, 17, "leave", &pb.RoomLeave{}},
	{1, 18, "nick", &pb.RoomNick{}},
	{1, 19, "subject", &pb.RoomSubject{}},
	{1, 20, "epoch", &pb.RoomEpoch{}},
	{2, 16, "genesis", &pb.RoomGenesis{}},
	{2, 17, "set", &pb.RoomSet{}},
	{2, 18, "kick", &pb.RoomKick{}},
	{2, 19, "voice", &pb.RoomVoice{}},
	{2, 20, "devoice", &pb.RoomDevoice{}},
	{2, 21, "retract", &pb.RoomRetract{}},
	{2, 22, "configure", &pb.RoomConfigure{}},
	{2, 23, "destroy", &pb.RoomDestroy{}},
	{1, 24, "invitation", &pb.RoomInvite{}},
	{1, 25, "invitation answer", &pb.RoomInviteAnswer{}},
	{1, 26, "voice request", &pb.RoomVoiceRequest{}},
	{1, 27, "private", &pb.RoomPrivate{}},
}

// TestEveryField: every field of every message is found by its name, with its
// value, over both transports.
func TestEveryField(t *testing.T) {
	t.Parallel()
	for transport, dial := range transports {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			f := &filler{t: t, names: fieldNames(), want: map[string][]string{}}
			c := dial(t, 0)
			say := func(stream int, protocol string, asks, answer proto.Message) {
				t.Helper()
				negotiate(c, dialer, stream, protocol, delimited(t, f.fill(asks)))
				if answer != nil {
					c.write(listener, stream, delimited(t, f.fill(answer)))
				}
			}
			say(helloStream, "/p2pchat/hello/1.0.0", &pb.HelloFrame{}, nil)
			say(directStream, "/p2pchat/direct/1.0.0", &pb.DirectFrame{}, nil)
			say(roomsStream, "/p2pchat/rooms/1.0.0", &pb.DirectoryAsk{}, &pb.DirectoryAnswer{})
			say(joinStream, "/p2pchat/join/1.0.0", &pb.JoinAsk{}, &pb.JoinAnswer{})
			say(syncStream, "/p2pchat/sync/1.0.0", &pb.SyncFrame{}, nil)
			say(identifyStream, "/ipfs/id/1.0.0", &identify.Identify{}, nil)
			say(pushStream, "/ipfs/id/push/1.0.0", &identify.Identify{}, nil)

			// A room whose key travels in a grant, and an envelope in an RPC.
			r := newRoom(t, "help desk")
			c.write(listener, joinStream, delimited(t, &pb.JoinAnswer{Grant: &pb.JoinGrant{Keys: []*pb.EpochKey{{Epoch: r.epoch, Key: r.key}}}}))
			rpc := f.fill(&pubsub.RPC{}).(*pubsub.RPC)
			rpc.Publish[0].Topic = &r.topic
			f.want["gossipsub.message.topic"] = []string{r.topic}
			sealed := r.seal(t, f.fill(&pb.Content{}).(*pb.Content))
			rpc.Publish[0].Data = sealed
			f.want["gossipsub.message.data"] = []string{hex.EncodeToString(sealed)}
			var e pb.Envelope
			if err := proto.Unmarshal(sealed, &e); err != nil {
				t.Fatal(err)
			}
			f.want["p2pchat.envelope.epoch"] = []string{hex.EncodeToString(e.Epoch)}
			f.want["p2pchat.envelope.nonce"] = []string{hex.EncodeToString(e.Nonce)}
			f.want["p2pchat.envelope.sealed"] = []string{hex.EncodeToString(e.Sealed)}
			f.want["p2pchat.envelope.flooded"] = []string{"1"}
			negotiate(c, dialer, gossipStream, "/meshsub/1.3.0", delimited(t, rpc))

			var kinds []string
			for _, b := range bodies {
				kinds = append(kinds, b.word)
			}
			negotiate(c, dialer, otherStream, "/p2pchat/sync/1.0.0", nil)
			for _, b := range bodies {
				c.write(listener, otherStream, delimited(t, &pb.SyncFrame{Events: &pb.EventBatch{Events: []*pb.Event{f.event(b.lane, b.kind, b.body)}}}))
			}
			ping := []byte(strings.Repeat("\x13/multis", 4))
			negotiate(c, dialer, pingStream, "/ipfs/ping/1.0.0", ping)
			c.write(listener, pingStream, ping)
			f.want["libp2p_ping.payload"] = []string{hex.EncodeToString(ping), hex.EncodeToString(ping)}
			f.want["p2pchat.kind"] = kinds
			f.want["p2pchat.protocol"] = []string{
				"/p2pchat/hello/1.0.0", "/p2pchat/direct/1.0.0", "/p2pchat/rooms/1.0.0", "/p2pchat/join/1.0.0", "/p2pchat/sync/1.0.0",
				"/ipfs/id/1.0.0", "/ipfs/id/push/1.0.0", "/ipfs/ping/1.0.0", "/meshsub/1.3.0",
			}
			f.want["multistream.message"] = append([]string{"/multistream/1.0.0"}, f.want["p2pchat.protocol"]...)
			if transport == "tcp" {
				f.want["multistream.message"] = append(f.want["multistream.message"], "/tls/1.0.0")
				tcp := c.(*tcpTalker)
				tcp.raw(dialer, yamuxFrame(yamuxPing, yamuxSYN, 0, 4711, nil))
				tcp.raw(dialer, yamuxFrame(yamuxWindow, yamuxRST, 1, 262144, nil))
				tcp.raw(dialer, yamuxFrame(yamuxWindow, yamuxFIN, 3, 0, nil))
				tcp.raw(dialer, yamuxFrame(yamuxGoAway, 0, 0, 2, nil))
				f.want["yamux.version"] = []string{"0"}
				f.want["yamux.type"] = []string{"0", "1", "2", "3"}
				f.want["yamux.stream"] = []string{"0", "1", "3"}
				f.want["yamux.length"] = []string{"4711", "262144", "2"}
				f.want["yamux.flags"] = []string{"0x0001", "0x0002", "0x0004", "0x0008"}
				for _, flag := range []string{"syn", "ack", "fin", "rst"} {
					f.want["yamux.flags."+flag] = []string{"0", "1"}
				}
			}

			for message, fields := range f.names {
				for _, name := range fields {
					if _, ok := f.want[name]; !ok {
						t.Errorf("%s of %s was not sent: the test knows no protocol that carries it", name, message)
					}
				}
			}
			var names []string
			for name := range f.want {
				names = append(names, name)
			}
			slices.Sort(names)
			file := c.done().write(t)
			got := map[string]map[string]bool{}
			for _, row := range rows(t, file, "", 1, names...) {
				for i, column := range row {
					if got[names[i]] == nil {
						got[names[i]] = map[string]bool{}
					}
					for _, v := range strings.Split(column, aggregator) {
						if v == "True" { // as later versions write what 4.0 writes as 1
							v = "1"
						}
						if v == "False" {
							v = "0"
						}
						got[names[i]][v] = true
					}
				}
			}
			for _, name := range names {
				for _, v := range f.want[name] {
					// Of a message within a message it is enough that it is there.
					if v == "" && len(got[name]) > 1 || v != "" && got[name][v] {
						continue
					}
					if v == "" && len(rows(t, file, name, 1, "frame.number")) > 0 {
						continue
					}
					t.Errorf("%s: %q is not among %.300q", name, v, fmt.Sprint(got[name]))
				}
			}
			if bad := rows(t, file, "p2pchat.undissected || _ws.malformed || _ws.lua.error || p2pchat.note_malformed", 1, "frame.number"); len(bad) > 0 {
				t.Errorf("packets with what should not be: %v", bad)
			}
		})
	}
}
