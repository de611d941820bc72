package report

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

const (
	c = "192.0.2.1:50000"
	s = "192.0.2.2:47700"
	// What multistream-select says before TLS.
	hello = "\x13/multistream/1.0.0\n\x0b/tls/1.0.0\n"
)

const ms = time.Millisecond

// opening is a TCP connection from its first packet to the first protected
// data: 10 ms between the sides, seen at the client's.
func opening(x *trace) {
	x.frame(0, tcpFrame(c, s, flagSYN, 100, 0, ""), "")
	x.frame(10*ms, tcpFrame(s, c, flagSYN|flagACK, 900, 101, ""), "")
	x.frame(11*ms, tcpFrame(c, s, flagACK, 101, 901, ""), "")
	x.frame(12*ms, tcpFrame(c, s, flagACK, 101, 901, hello), "")
	x.frame(22*ms, tcpFrame(s, c, flagACK, 901, 133, hello), "")
	x.frame(23*ms, tcpFrame(c, s, flagACK, 133, 933, tlsRecord(22, 200)), "")
	x.frame(33*ms, tcpFrame(s, c, flagACK, 933, 338, tlsRecord(22, 90)+tlsRecord(20, 1)+tlsRecord(23, 500)), "")
	x.frame(35*ms, tcpFrame(c, s, flagACK, 338, 1539, tlsRecord(20, 1)+tlsRecord(23, 300)), "")
}

func TestTCP(t *testing.T) {
	t.Parallel()
	x := newTrace(t)
	x.names(map[string]string{"192.0.2.1": "alice", "192.0.2.2": "bob"})
	opening(x)
	x.frame(45*ms, tcpFrame(s, c, flagACK, 1539, 649, "data"), "")
	x.frame(60*ms, tcpFrame(s, c, flagACK, 1539, 649, "data"), "") // again
	x.frame(61*ms, tcpFrame(c, s, flagACK, 649, 1543, ""), "")
	x.frame(70*ms, tcpFrame(c, s, flagACK|flagFIN, 649, 1543, ""), "")
	r := x.read()
	if len(r.Conversations) != 1 || r.Packets != 12 || r.Others != 0 {
		t.Fatalf("%d conversations, %d packets, %d others", len(r.Conversations), r.Packets, r.Others)
	}
	got := r.Conversations[0]
	if got.Client.Name != "alice" || got.Server.Name != "bob" || got.Client.Address != c || !got.Opened || got.Security != "tls" || got.Closed != "fin" {
		t.Errorf("%+v", got)
	}
	if got.Handshake == nil || *got.Handshake != Duration(11*ms) {
		t.Errorf("handshake %v", got.Handshake)
	}
	if got.Secure == nil || *got.Secure != Duration(12*ms) {
		t.Errorf("secure handshake %v", got.Secure)
	}
	// The data that was sent again gives no sample.
	if rt := got.ToServer; rt == nil || rt.Min != Duration(10*ms) || rt.Samples != 4 {
		t.Errorf("to the server %+v", rt)
	}
	if rt := got.ToClient; rt == nil || rt.Min != Duration(ms) || rt.Median != Duration(ms) || rt.Samples != 3 {
		t.Errorf("to the client %+v", rt)
	}
	if *got.Server.Retransmitted != 1 || *got.Client.Retransmitted != 0 || *got.Server.OutOfOrder != 0 {
		t.Errorf("again %d, %d, out of order %d", *got.Server.Retransmitted, *got.Client.Retransmitted, *got.Server.OutOfOrder)
	}
	// Padding of short frames is no payload.
	if got.Client.Payload != 32+205+6+305 {
		t.Errorf("payload %d", got.Client.Payload)
	}
	var steps []string
	for _, e := range r.Events {
		steps = append(steps, e.From+">"+e.To+" "+string(e.Kind))
	}
	want := []string{
		"alice>bob open", "bob>alice open", "alice>bob open", "alice>bob secure", "bob>alice secure",
		"alice>bob data", "bob>alice retransmit", "alice>bob close",
	}
	if !slices.Equal(steps, want) {
		t.Errorf("steps %q", steps)
	}
}

// However the opening is cut into segments, in whatever order they come, it is
// understood alike.
func TestSecureInAnyOrder(t *testing.T) {
	t.Parallel()
	stream := hello + tlsRecord(22, 200) + tlsRecord(20, 1) + tlsRecord(23, 5)
	for size := 1; size < len(stream); size += 7 {
		for _, swap := range []bool{false, true} {
			var d scanner
			d.begin(^uint32(0) - 20) // the numbers wrap
			var parts [][2]int
			for at := 0; at < len(stream); at += size {
				parts = append(parts, [2]int{at, min(at+size, len(stream))})
			}
			for i := 1; swap && i < len(parts); i += 2 {
				parts[i-1], parts[i] = parts[i], parts[i-1]
			}
			for _, p := range parts {
				d.feed(^uint32(0)-20+uint32(p[0]), p[1]-p[0], []byte(stream[p[0]:p[1]]))
			}
			if d.security != "tls" || d.records != 3 || d.sealed != 1 || !d.done {
				t.Fatalf("parts of %d, swapped %v: %q, %d records, %d sealed", size, swap, d.security, d.records, d.sealed)
			}
		}
	}
}

func TestNoise(t *testing.T) {
	t.Parallel()
	var d scanner
	d.begin(0)
	b := "\x13/multistream/1.0.0\n\x07/noise\n" + "\x00\x20" + strings.Repeat("e", 32) + "\x00\x40" + strings.Repeat("s", 64)
	d.feed(0, len(b), []byte(b))
	if d.security != "noise" || d.records != 2 || !d.done {
		t.Errorf("%q, %d records", d.security, d.records)
	}
}

func TestRetransmissions(t *testing.T) {
	t.Parallel()
	at := func(d time.Duration) time.Time { return time.Unix(0, 0).Add(d) }
	seg := func(seq uint32, n int) segment { return segment{seq: seq, length: n, flags: flagACK} }
	for name, x := range map[string]struct {
		sent          func(d *direction)
		again, behind uint64
	}{
		"in order": {func(d *direction) { d.sent(seg(0, 10), at(0)); d.sent(seg(10, 10), at(ms)) }, 0, 0},
		"twice":    {func(d *direction) { d.sent(seg(0, 10), at(0)); d.sent(seg(0, 10), at(ms)) }, 1, 0},
		"longer":   {func(d *direction) { d.sent(seg(0, 10), at(0)); d.sent(seg(0, 20), at(ms)); d.sent(seg(20, 1), at(ms)) }, 1, 0},
		"overtaken": {func(d *direction) {
			d.sent(seg(0, 10), at(0))
			d.sent(seg(20, 10), at(ms))
			d.sent(seg(10, 10), at(2*ms))
		}, 0, 1},
		"lost before": {func(d *direction) {
			d.sent(seg(0, 10), at(0))
			d.sent(seg(20, 10), at(ms))
			d.sent(seg(10, 10), at(50*ms))
		}, 1, 0},
		"twice in hole": {func(d *direction) {
			d.sent(seg(0, 10), at(0))
			d.sent(seg(30, 10), at(ms))
			d.sent(seg(10, 10), at(ms))
			d.sent(seg(10, 10), at(ms))
		}, 1, 1},
		"keeps alive": {func(d *direction) { d.sent(seg(0, 10), at(0)); d.sent(seg(9, 0), at(ms)); d.sent(seg(9, 1), at(ms)) }, 0, 0},
		"wraps": {func(d *direction) {
			d.sent(seg(1<<32-5, 10), at(0))
			d.sent(seg(5, 10), at(ms))
			d.sent(seg(1<<32-5, 10), at(ms))
		}, 1, 0},
	} {
		var d direction
		x.sent(&d)
		if d.retransmitted != x.again || d.behind != x.behind {
			t.Errorf("%s: again %d, out of order %d", name, d.retransmitted, d.behind)
		}
	}
}

// long is a QUIC packet with a long header.
func long(kind quicKind, dst, src string, body int) []byte {
	b := []byte{0xc0 | byte(kind)<<4, 0, 0, 0, 1, byte(len(dst))}
	b = append(append(b, dst...), byte(len(src)))
	b = append(b, src...)
	if kind == quicInitial {
		b = append(b, 0) // no token
	}
	b = append(b, 0x40|byte(body>>8), byte(body))
	return append(b, make([]byte, body)...)
}

func shortPacket(dst string) []byte { return append([]byte("\x40"+dst), make([]byte, 40)...) }

func TestQUIC(t *testing.T) {
	t.Parallel()
	x := newTrace(t)
	const c, s = "192.0.2.1:47700", "192.0.2.2:47700"
	// Two connections at once between the same ports, one from either side.
	x.frame(0, udpFrame(c, s, long(quicInitial, "ODCID-01", "ccc1", 1100)), "")
	x.frame(1*ms, udpFrame(s, c, long(quicInitial, "ODCID-02", "sss2", 1100)), "")
	x.frame(10*ms, udpFrame(s, c, append(long(quicInitial, "ccc1", "sss1", 100), long(quicHandshake, "ccc1", "sss1", 500)...)), "")
	x.frame(11*ms, udpFrame(c, s, append(long(quicInitial, "sss2", "ccc2", 100), long(quicHandshake, "sss2", "ccc2", 500)...)), "")
	x.frame(12*ms, udpFrame(c, s, append(long(quicHandshake, "sss1", "ccc1", 50), shortPacket("sss1")...)), "")
	x.frame(14*ms, udpFrame(s, c, append(long(quicHandshake, "ccc2", "sss2", 50), shortPacket("ccc2")...)), "")
	x.frame(15*ms, udpFrame(s, c, shortPacket("ccc1")), "")
	x.frame(16*ms, udpFrame(s, c, shortPacket("ccc2")), "")
	r := x.read()
	if len(r.Conversations) != 2 {
		t.Fatalf("%d conversations", len(r.Conversations))
	}
	for i, want := range []struct {
		client           string
		secure           time.Duration
		packets, answers uint64
	}{{c, 12 * ms, 2, 2}, {s, 13 * ms, 3, 1}} {
		got := r.Conversations[i]
		if got.Transport != "quic" || got.Client.Address != want.client || got.Secure == nil || *got.Secure != Duration(want.secure) ||
			got.Client.Packets != want.packets || got.Server.Packets != want.answers || got.Client.Retransmitted != nil {
			t.Errorf("%d: %+v, secure %v", i, got, got.Secure)
		}
		if rt := got.ToServer; rt == nil || rt.Min != Duration(10*ms) {
			t.Errorf("%d: round trip %+v", i, rt)
		}
	}
}

// message builds a multicast DNS packet.
func message(t testing.TB, response bool, ttl uint32, id, addr string) []byte {
	t.Helper()
	b := dnsmessage.NewBuilder(nil, dnsmessage.Header{Response: response})
	fail := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	name := dnsmessage.MustNewName(service)
	if !response {
		fail(b.StartQuestions())
		fail(b.Question(dnsmessage.Question{Name: name, Type: dnsmessage.TypePTR, Class: dnsmessage.ClassINET}))
		fail(b.StartAdditionals())
	} else {
		fail(b.StartAnswers())
	}
	if id != "" {
		own := dnsmessage.MustNewName(id + "." + service)
		fail(b.PTRResource(dnsmessage.ResourceHeader{Name: name, Class: dnsmessage.ClassINET, TTL: ttl}, dnsmessage.PTRResource{PTR: own}))
		fail(b.TXTResource(dnsmessage.ResourceHeader{Name: own, Class: dnsmessage.ClassINET, TTL: ttl}, dnsmessage.TXTResource{TXT: []string{"boot=1", "dnsaddr=" + addr}}))
	}
	msg, err := b.Finish()
	fail(err)
	return msg
}

// A name comes from a comment about a peer ID, and the ID's ports from its
// announcement, also if either stands behind the packets that it explains.
func TestNamesByAnnouncement(t *testing.T) {
	t.Parallel()
	x := newTrace(t)
	opening(x)
	x.names(map[string]string{"192.0.2.2": "the machine"})
	x.frame(50*ms, udpFrame("192.0.2.2:5353", "224.0.0.251:5353", message(t, true, 120, "12D3bob", "/ip4/192.0.2.2/tcp/47700/p2p/12D3bob")), "")
	x.frame(51*ms, udpFrame("192.0.2.1:5353", "224.0.0.251:5353", message(t, false, 120, "12D3alice", "/ip4/192.0.2.1/tcp/50000")),
		"nonsense\np2pchat peer=12D3bob name=bob the builder\np2pchat room=00")
	x.frame(52*ms, udpFrame("192.0.2.2:5353", "224.0.0.251:5353", message(t, true, 0, "12D3bob", "/ip4/192.0.2.2/tcp/47700/p2p/12D3bob")), "")
	r := x.read()
	got := r.Conversations[0]
	if got.Server.Name != "bob the builder" || got.Server.PeerID != "12D3bob" || got.Client.Name != "" || got.Client.PeerID != "12D3alice" {
		t.Errorf("client %+v, server %+v", got.Client, got.Server)
	}
	if r.MDNS.Questions != 1 || r.MDNS.Answers != 2 || len(r.MDNS.Announcers) != 2 {
		t.Fatalf("%+v", r.MDNS)
	}
	if bob := r.MDNS.Announcers[0]; bob.Name != "bob the builder" || !bob.Goodbye || bob.Times != 2 || len(bob.Addrs) != 1 || bob.From != "192.0.2.2" {
		t.Errorf("%+v", bob)
	}
	if last := r.Events[len(r.Events)-1]; last.From != "bob the builder" || last.To != "" || !strings.Contains(last.Text, "goodbye") {
		t.Errorf("%+v", last)
	}
}

// Opened before the capture began: what can be known is.
func TestMidway(t *testing.T) {
	t.Parallel()
	x := newTrace(t)
	x.frame(0, tcpFrame(s, c, flagACK, 5000, 1, "abc"), "")
	x.frame(ms, tcpFrame(c, s, flagACK, 1, 5003, ""), "")
	x.frame(ms, udpFrame("192.0.2.1:1", "192.0.2.2:2", []byte("hello, this is no QUIC")), "")
	r := x.read()
	got := r.Conversations[0]
	if got.Opened || got.Handshake != nil || got.Secure != nil || got.ToServer == nil || r.Conversations[1].Transport != "udp" {
		t.Errorf("%+v", got)
	}
	if !slices.ContainsFunc(r.Notes, func(n string) bool { return strings.Contains(n, "conversation 1.") }) {
		t.Errorf("notes %q", r.Notes)
	}
}

// The same ports once more are another conversation.
func TestPortsUsedAgain(t *testing.T) {
	t.Parallel()
	x := newTrace(t)
	x.frame(0, tcpFrame(c, s, flagSYN, 100, 0, ""), "")
	x.frame(ms, tcpFrame(s, c, flagRST|flagACK, 0, 101, ""), "")
	x.frame(2*ms, tcpFrame(c, s, flagSYN, 100, 0, ""), "") // the same SYN: sent again
	x.frame(20*ms, tcpFrame(c, s, flagSYN, 7777, 0, ""), "")
	r := x.read()
	if len(r.Conversations) != 2 || *r.Conversations[0].Client.Retransmitted != 1 || r.Conversations[0].Closed != "reset" {
		t.Errorf("%d conversations, %+v", len(r.Conversations), r.Conversations[0])
	}
}

// Whatever is cut off, what precedes it is there.
func TestCut(t *testing.T) {
	t.Parallel()
	x := newTrace(t)
	opening(x)
	all := x.b.Bytes()
	most := uint64(0)
	for n := range len(all) {
		r, err := Read(bytes.NewReader(all[:n]), "cut")
		if n < 28 && errors.Is(err, ErrNotCapture) {
			continue
		}
		if err != nil {
			t.Fatalf("%d bytes: %v", n, err)
		}
		if r.Packets < most {
			t.Fatalf("%d bytes: %d packets, %d with fewer bytes", n, r.Packets, most)
		}
		most = r.Packets
	}
	if most != 7 {
		t.Errorf("all but the last byte: %d packets", most)
	}
}

func TestNoCapture(t *testing.T) {
	t.Parallel()
	for _, b := range []string{"", "abc", "hello, world, this is text", "\x0a\x0d\x0d\x0a", "\x0a\x0d\x0d\x0a\x1c\x00\x00\x00abcd", "\xd4\xc3\xb2\xa1\x02"} {
		if _, err := Read(strings.NewReader(b), "x"); !errors.Is(err, ErrNotCapture) {
			t.Errorf("%q: %v", b, err)
		}
	}
	failing := io.MultiReader(bytes.NewReader(newTrace(t).b.Bytes()), failingReader{})
	if _, err := Read(failing, "x"); err == nil || err.Error() != "input/output error" {
		t.Errorf("failing: %v", err)
	}
}

type failingReader struct{}

func (failingReader) Read([]byte) (int, error) { return 0, errors.New("input/output error") }

// Other programs' files: big endian, microseconds, blocks that nobody knows,
// several sections, link types of other systems.
func TestForeign(t *testing.T) {
	t.Parallel()
	x := newTrace(t)
	opening(x)
	x.block(0x40000bad, []byte("what is this?"))
	x.secrets("CLIENT_RANDOM 00 00\n")
	x.order = binary.BigEndian
	x.section()
	x.iface(276, 6)
	sll2 := append([]byte{8, 0, 0, 0, 0, 0, 0, 1, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0}, tcpFrame(c, s, flagACK, 1, 1, "x")[14:]...)
	body := x.u32(x.u32(x.u32(nil, 0), 0), 1e6)
	body = append(x.u32(x.u32(body, uint32(len(sll2))), uint32(len(sll2))), sll2...)
	x.block(blockPacket, body)
	x.iface(147, 6) // user defined
	body[3] = 1
	x.block(blockPacket, body)
	r := x.read()
	if r.Packets != 10 || !r.Keys || r.Others != 1 || r.Conversations[0].Client.Packets != 6 {
		t.Errorf("%d packets, keys %v, %d others, %+v", r.Packets, r.Keys, r.Others, r.Conversations[0].Client)
	}
	if !r.Begin.Equal(time.Unix(1, 0)) {
		t.Errorf("begin %v", r.Begin)
	}
	for _, order := range []binary.AppendByteOrder{binary.LittleEndian, binary.BigEndian} {
		for magic, unit := range map[uint32]time.Duration{0xa1b2c3d4: time.Microsecond, 0xa1b23c4d: time.Nanosecond} {
			frame := append([]byte{0, 0, 0, 2}, tcpFrame(c, s, flagACK, 1, 1, "x")[14:]...)
			b := order.AppendUint32(nil, magic)
			b = append(b, make([]byte, 16)...)
			b = order.AppendUint32(b, 0) // BSD loopback
			for _, v := range []int{1000, 500, len(frame), len(frame)} {
				b = order.AppendUint32(b, uint32(v))
			}
			r, err := Read(bytes.NewReader(append(b, frame...)), "x")
			if err != nil || r.Packets != 1 || len(r.Conversations) != 1 || !r.Begin.Equal(time.Unix(1000, int64(500*unit))) {
				t.Errorf("%x: %v, %+v", magic, err, r)
			}
		}
	}
}

// However long a capture and however many take part, what is kept is bounded,
// and what was left out is said.
func TestBounds(t *testing.T) {
	t.Parallel()
	x := newTrace(t)
	for i := range maxConversations + 500 {
		addr := "10.0." + fmt.Sprint(i/250) + "." + fmt.Sprint(i%250+1) + ":4000"
		x.frame(time.Duration(i)*time.Hour, tcpFrame(addr, s, flagSYN, 1, 0, ""), "")
	}
	for range 300 {
		x.frame(ms, udpFrame("192.0.2.2:5353", "224.0.0.251:5353", message(t, false, 120, "", "")), "")
	}
	r := x.read()
	if len(r.Conversations) != maxConversations || len(r.Throughput.Bytes) > maxBins || r.Packets != maxConversations+800 {
		t.Errorf("%d conversations, %d bins, %d packets", len(r.Conversations), len(r.Throughput.Bytes), r.Packets)
	}
	sum := uint64(0)
	for _, n := range r.Throughput.Bytes {
		sum += n
	}
	if sum != r.Bytes {
		t.Errorf("%d bytes over time, %d in all", sum, r.Bytes)
	}
	for _, want := range []string{"500 packets of the further ones", "100 further steps"} {
		if !slices.ContainsFunc(r.Notes, func(n string) bool { return strings.Contains(n, want) }) {
			t.Errorf("%q is not said in %q", want, r.Notes)
		}
	}
}

func TestSamples(t *testing.T) {
	t.Parallel()
	var s samples
	for i := range 100_000 {
		s.add(time.Duration(i))
	}
	rt := s.roundTrip()
	if rt.Min != 0 || rt.Samples != 100_000 || rt.Median < 49_000 || rt.Median > 51_000 || len(s.kept) > maxSamples {
		t.Errorf("%+v of %d", rt, len(s.kept))
	}
}

// FuzzRead: no file makes it fail but for not being a capture, nor take more
// than the file has to give.
func FuzzRead(f *testing.F) {
	x := newTrace(f)
	x.names(map[string]string{"192.0.2.1": "alice"})
	opening(x)
	x.frame(50*ms, udpFrame("192.0.2.2:5353", "224.0.0.251:5353", message(f, true, 120, "12D3bob", "/ip4/192.0.2.2/tcp/47700/p2p/12D3bob")), "p2pchat peer=a name=b")
	x.frame(60*ms, udpFrame("192.0.2.2:1", "192.0.2.1:2", append(long(quicInitial, "ODCID-01", "ccc1", 100), shortPacket("ccc1")...)), "")
	x.secrets("x")
	f.Add(x.b.Bytes())
	f.Add([]byte("\xd4\xc3\xb2\xa1\x02\x00\x04\x00" + strings.Repeat("\x00", 12) + "\x01\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := Read(bytes.NewReader(b), "fuzz")
		if err != nil {
			if !errors.Is(err, ErrNotCapture) {
				t.Fatal(err)
			}
			return
		}
		sum := r.Others + r.MDNS.Questions + r.MDNS.Answers + r.MDNS.Others
		for _, c := range r.Conversations {
			sum += c.Client.Packets + c.Server.Packets
		}
		if sum != r.Packets {
			t.Fatalf("%d packets, %d of them accounted for", r.Packets, sum)
		}
		if err := r.HTML(io.Discard); err != nil {
			t.Fatal(err)
		}
	})
}
