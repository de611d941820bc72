package discovery

import (
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"strings"
	"testing"

	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"
	mh "github.com/multiformats/go-multihash"
	"golang.org/x/net/dns/dnsmessage"
)

func TestMessageRoundTrip(t *testing.T) {
	t.Parallel()
	self := announcement{Peer: testID(1), Boot: "0badcafe", Addrs: []ma.Multiaddr{
		ma.StringCast("/ip4/10.0.0.1/udp/47700/quic-v1"), ma.StringCast("/ip4/10.0.0.1/tcp/47700"), ma.StringCast("/ip6/fd00::1/tcp/47700"),
	}}
	bye := self
	bye.Goodbye = true
	none := announcement{Peer: testID(1), Boot: "0badcafe"}
	tests := []struct {
		name string
		m    message
	}{
		{"announcement", message{Announced: []announcement{self}}},
		{"goodbye", message{Announced: []announcement{bye}}},
		{"no address", message{Announced: []announcement{none}}},
		{"question to all", message{Query: true, AskAll: true, Announced: []announcement{self}}},
		{"question by name", message{Query: true, Ask: []peer.ID{testID(2), testID(3)}, Announced: []announcement{self}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			data, err := tt.m.encode(47700, []netip.Addr{netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("fd00::1")})
			if err != nil {
				t.Fatal(err)
			}
			got, err := decode(data)
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got, tt.m) {
				t.Errorf("read %+v\nwrote %+v", got, tt.m)
			}
			if len(data) > 1400 {
				t.Errorf("%d bytes", len(data))
			}
		})
	}
}

// A packet with all we ever put into one fits a frame.
func TestLargestMessage(t *testing.T) {
	t.Parallel()
	m := message{Query: true, AskAll: true, Announced: []announcement{{Peer: testID(0), Boot: "01234567"}}}
	for i := range 30 {
		m.Ask = append(m.Ask, testID(i))
		m.Announced[0].Addrs = append(m.Announced[0].Addrs, ma.StringCast(fmt.Sprintf("/ip6/fd00:1111:2222:3333:4444:5555:6666:%x/udp/47700/quic-v1", 0x1000+i)))
	}
	data, err := m.encode(47700, nil)
	if err != nil {
		t.Fatal(err)
	}
	got, err := decode(data)
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Ask) != maxQuestions || len(got.Announced[0].Addrs) != maxOwnAddrs {
		t.Errorf("%d questions, %d addresses", len(got.Ask), len(got.Announced[0].Addrs))
	}
	if len(data) > 2048 {
		t.Errorf("%d bytes", len(data))
	}
}

// The announcement of another implementation of libp2p's mDNS discovery has a
// random instance name and no boot entry.
func TestOtherImplementation(t *testing.T) {
	t.Parallel()
	b := dnsmessage.NewBuilder(nil, dnsmessage.Header{Response: true})
	name := dnsmessage.MustNewName("x7f3k2n9random._P2PCHAT._udp.local.")
	id := testID(9)
	err := errors.Join(b.StartAnswers(),
		b.PTRResource(dnsmessage.ResourceHeader{Name: dnsmessage.MustNewName(serviceName), Class: dnsmessage.ClassINET, TTL: 120}, dnsmessage.PTRResource{PTR: name}),
		b.StartAdditionals(),
		b.TXTResource(dnsmessage.ResourceHeader{Name: name, Class: dnsmessage.ClassINET, TTL: 120}, dnsmessage.TXTResource{TXT: []string{
			"dnsaddr=/ip4/10.0.0.9/tcp/4001/p2p/" + id.String(),
			"dnsaddr=/ip4/10.0.0.9/udp/4001/quic-v1/webtransport/p2p/" + id.String(),
			"dnsaddr=/dns4/evil.example/tcp/4001/p2p/" + id.String(),
			"dnsaddr=nonsense", "other=1", "",
		}}))
	if err != nil {
		t.Fatal(err)
	}
	data, err := b.Finish()
	if err != nil {
		t.Fatal(err)
	}
	got, err := decode(data)
	if err != nil {
		t.Fatal(err)
	}
	want := []announcement{{Peer: id, Addrs: []ma.Multiaddr{ma.StringCast("/ip4/10.0.0.9/tcp/4001")}}}
	if !reflect.DeepEqual(got.Announced, want) {
		t.Errorf("read %+v, want %+v", got.Announced, want)
	}
}

func TestForeignAndMalformed(t *testing.T) {
	t.Parallel()
	b := dnsmessage.NewBuilder(nil, dnsmessage.Header{})
	err := errors.Join(b.StartQuestions(), b.Question(dnsmessage.Question{
		Name: dnsmessage.MustNewName("_ipp._tcp.local."), Type: dnsmessage.TypePTR, Class: dnsmessage.ClassINET,
	}))
	if err != nil {
		t.Fatal(err)
	}
	printer, err := b.Finish()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := decode(printer); !errors.Is(err, errForeign) {
		t.Errorf("a printer's packet: %v", err)
	}
	for name, data := range map[string][]byte{
		"empty":     nil,
		"short":     {1, 2, 3},
		"truncated": printer[:len(printer)-6],
	} {
		if _, err := decode(data); err == nil || errors.Is(err, errForeign) {
			t.Errorf("%s: %v", name, err)
		}
	}
	two := []string{
		"dnsaddr=/ip4/10.0.0.9/tcp/1/p2p/" + testID(1).String(),
		"dnsaddr=/ip4/10.0.0.9/tcp/1/p2p/" + testID(2).String(),
	}
	if a, ok := parseTXT("x", two); ok {
		t.Errorf("an announcement of two peers: %+v", a)
	}
	if a, ok := parseTXT("not-a-peer-id", nil); ok {
		t.Errorf("an announcement of nobody: %+v", a)
	}
	var many []string
	for i := range 100 {
		many = append(many, fmt.Sprintf("dnsaddr=/ip4/10.0.0.9/tcp/%d/p2p/%s", i+1, testID(1)))
	}
	if a, _ := parseTXT("x", many); len(a.Addrs) != maxAnnounced {
		t.Errorf("%d addresses taken", len(a.Addrs))
	}
	if a, _ := parseTXT(testID(1).String(), []string{bootKey + strings.Repeat("x", 200)}); a.Boot != "" {
		t.Errorf("boot entry of %d bytes taken", len(a.Boot))
	}
}

// Only Ed25519 identities are heard, each in one spelling.
func TestOnlyIdentitiesAreRead(t *testing.T) {
	t.Parallel()
	sum, err := mh.Sum([]byte("an RSA key"), mh.SHA2_256, -1)
	if err != nil {
		t.Fatal(err)
	}
	// The right key with a field after it: the same key for libp2p.
	padded, err := mh.Encode(append([]byte(testID(1))[2:], 0x18, 0), mh.IDENTITY)
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		label string
		id    peer.ID
		want  bool
	}{
		"identity": {testID(1).String(), testID(1), true},
		"CID":      {peer.ToCid(testID(1)).String(), "", false},
		"hash":     {peer.ID(sum).String(), peer.ID(sum), false},
		"padded":   {peer.ID(padded).String(), peer.ID(padded), false},
	} {
		if _, ok := instanceID(tt.label + "." + serviceName); ok != tt.want {
			t.Errorf("%s asked for: %v", name, ok)
		}
		if _, ok := parseTXT(tt.label, nil); ok != tt.want {
			t.Errorf("%s in the instance: %v", name, ok)
		}
		if tt.id == "" {
			continue
		}
		if _, ok := parseTXT("x", []string{addrKey + "/ip4/10.0.0.9/tcp/1/p2p/" + tt.id.String()}); ok != tt.want {
			t.Errorf("%s in an address: %v", name, ok)
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, m := range []message{
		{Announced: []announcement{{Peer: testID(1), Boot: "0badcafe", Addrs: []ma.Multiaddr{onLan(1)}}}},
		{Query: true, AskAll: true, Ask: []peer.ID{testID(2)}, Announced: []announcement{{Peer: testID(1), Boot: "1"}}},
	} {
		data, err := m.encode(1, []netip.Addr{netip.MustParseAddr("10.0.0.1")})
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := decode(data)
		if err != nil {
			return
		}
		if len(m.Ask) > maxRecords || len(m.Announced) > maxRecords {
			t.Fatalf("%d questions, %d announcements", len(m.Ask), len(m.Announced))
		}
		for _, a := range m.Announced {
			if a.Peer == "" || len(a.Addrs) > maxAnnounced || len(a.Boot) > maxBoot {
				t.Fatalf("announcement %+v", a)
			}
			for _, addr := range a.Addrs {
				if !dialable(addr) {
					t.Fatalf("address %s", addr)
				}
			}
			// What was read can be announced again and reads the same.
			again, err := message{Announced: []announcement{a}}.encode(1, nil)
			if err != nil {
				t.Fatalf("announced again: %v", err)
			}
			back, err := decode(again)
			if err != nil || len(back.Announced) != 1 || back.Announced[0].Peer != a.Peer {
				t.Fatalf("announced again: %+v, %v", back, err)
			}
		}
	})
}
