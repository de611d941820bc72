package report

import (
	"encoding/json"
	"time"
)

// Report is what a capture tells. Times are UTC; what is not known is nil.
type Report struct {
	File        string `json:"file"`        // as the caller named it
	Format      string `json:"format"`      // pcap or pcapng
	Application string `json:"application"` // that wrote it, "" unknown
	Comment     string `json:"comment"`

	Begin    *Time    `json:"begin"` // of the first packet that has a time
	End      *Time    `json:"end"`
	Duration Duration `json:"duration"`
	Packets  uint64   `json:"packets"`
	Bytes    uint64   `json:"bytes"`   // as on the wire
	Others   uint64   `json:"others"`  // packets that are in no conversation and no mDNS
	Dropped  *uint64  `json:"dropped"` // that the kernel had no room for
	Keys     bool     `json:"keys"`    // it carries TLS secrets

	Conversations []*Conversation `json:"conversations"`
	MDNS          MDNS            `json:"mdns"`
	Throughput    Throughput      `json:"throughput"`
	Events        []Event         `json:"events"` // in order of time

	// Decrypted is what stood inside the encryption; nil if nobody looked, and
	// then Notes say why.
	Decrypted *Decrypted `json:"decrypted"`

	// Notes are sentences on what is missing or was left out.
	Notes []string `json:"notes"`
}

// Conversation is one connection, or what two ports said over plain UDP.
type Conversation struct {
	ID        int    `json:"id"`        // from 1, in order of the first packets
	Transport string `json:"transport"` // tcp, quic or udp
	Opened    bool   `json:"opened"`    // its opening is in the file; if not, Client is who was seen first
	Client    Side   `json:"client"`
	Server    Side   `json:"server"`
	Begin     Time   `json:"begin"`
	End       Time   `json:"end"`
	// Closed says how a TCP connection ended: "fin", "reset", or "" if it did
	// not end in the file or is none.
	Closed string `json:"closed"`
	// Security that its opening names: tls, noise, or "" if not seen.
	Security string `json:"security"`

	Handshake *Duration  `json:"handshake"`        // of TCP
	Secure    *Duration  `json:"secure_handshake"` // of TLS, Noise or QUIC
	ToServer  *RoundTrip `json:"rtt_to_server"`    // from where the capture was made
	ToClient  *RoundTrip `json:"rtt_to_client"`

	// Over are the bytes over time, in the bins of Report.Throughput.
	Over []uint64 `json:"throughput"`
}

// Side is one end of a conversation, and what it sent.
type Side struct {
	Address string `json:"address"` // IP:port
	Name    string `json:"name"`    // username, "" unknown
	PeerID  string `json:"peer_id"` // "" unknown

	Packets uint64 `json:"packets"`
	Bytes   uint64 `json:"bytes"`   // as on the wire
	Payload uint64 `json:"payload"` // bytes above TCP or UDP, those sent again included
	// Retransmitted and OutOfOrder segments; nil where nobody can tell.
	Retransmitted *uint64 `json:"retransmitted"`
	OutOfOrder    *uint64 `json:"out_of_order"`
}

// Label is how a side is called: name or else address.
func (s Side) Label() string {
	if s.Name != "" {
		return s.Name
	}
	return s.Address
}

// RoundTrip sums up samples.
type RoundTrip struct {
	Min     Duration `json:"min"`
	Median  Duration `json:"median"`
	Samples int      `json:"samples"`
}

// Whole is the least and the median round trip between the two sides, as far
// as it was seen; nil if it was not at all.
func (c *Conversation) Whole() *RoundTrip {
	switch {
	case c.ToServer == nil:
		return c.ToClient
	case c.ToClient == nil:
		return c.ToServer
	}
	return &RoundTrip{
		Min: c.ToServer.Min + c.ToClient.Min, Median: c.ToServer.Median + c.ToClient.Median,
		Samples: min(c.ToServer.Samples, c.ToClient.Samples),
	}
}

// MDNS is what was asked and announced by multicast about _p2pchat._udp.
type MDNS struct {
	Questions  uint64      `json:"questions"` // packets
	Answers    uint64      `json:"answers"`
	Others     uint64      `json:"others"` // packets that are about other services
	Announcers []Announcer `json:"announcers"`
}

// Announcer is who announced himself.
type Announcer struct {
	PeerID  string   `json:"peer_id"`
	Name    string   `json:"name"` // "" unknown
	From    string   `json:"from"` // the address that he was first heard from
	Addrs   []string `json:"addrs"`
	First   Time     `json:"first"`
	Times   uint64   `json:"times"`
	Goodbye bool     `json:"goodbye"` // his last word was that he leaves
}

// Throughput is all that was sent over time.
type Throughput struct {
	Width Duration `json:"width"` // of a bin; the first begins at Report.Begin
	Bytes []uint64 `json:"bytes"`
}

// Event is a step worth showing in a sequence diagram.
type Event struct {
	Time         Time   `json:"time"`
	Kind         Kind   `json:"kind"`
	From         string `json:"from"` // name or address
	To           string `json:"to"`   // "" everybody
	Text         string `json:"text"`
	Conversation int    `json:"conversation"` // 0: none
}

// Kind tells events apart.
type Kind string

// All kinds of events.
const (
	KindQuestion   Kind = "mdns-question"
	KindAnswer     Kind = "mdns-answer"
	KindOpen       Kind = "open"       // SYN and its answers, the first QUIC packets
	KindSecure     Kind = "secure"     // steps of TLS and Noise
	KindData       Kind = "data"       // the first protected data
	KindRetransmit Kind = "retransmit" // sent again
	KindClose      Kind = "close"      // FIN, RST
	KindChat       Kind = "chat"       // a line, from Decrypted
	KindRepeat     Kind = "repeat"     // a line that was seen before
)

// Time is a moment; in JSON RFC 3339 in UTC with microseconds.
type Time struct{ time.Time }

// MarshalJSON implements [json.Marshaler].
func (t Time) MarshalJSON() ([]byte, error) {
	return json.Marshal(t.UTC().Format("2006-01-02T15:04:05.000000Z"))
}

// Duration is a [time.Duration]; in JSON as Go prints it.
type Duration time.Duration

// MarshalJSON implements [json.Marshaler].
func (d Duration) MarshalJSON() ([]byte, error) { return json.Marshal(time.Duration(d).String()) }

// String is like that of [time.Duration], with three digits.
func (d Duration) String() string {
	v := time.Duration(d)
	for unit := time.Duration(1); unit < time.Hour; unit *= 10 {
		if v < 1000*unit {
			return v.Round(unit).String()
		}
	}
	return v.Round(time.Minute).String()
}
