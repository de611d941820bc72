package identity

import (
	"bytes"
	"errors"
	"fmt"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"google.golang.org/protobuf/proto"

	"p2pchat/protocol/pb"
)

// ProtocolVersion is the version a profile states.
const ProtocolVersion = 1

// Limits of a profile, in bytes.
const (
	MaxStatus  = 256
	MaxProfile = 1024
)

// MaxProfileAhead is how far in the future a profile may be dated.
const MaxProfileAhead = 60 * time.Second

const profileDomain = "p2pchat profile v1\x00"

// Profile is what a person says of himself, signed by his key.
type Profile struct {
	Peer    peer.ID
	Name    string // normalized
	Status  string // a status line, may be empty
	Version uint32
	Time    time.Time // ms; the newer of two profiles counts
}

// SignProfile encodes and signs p with k, whose ID must be p.Peer. The result
// is an encoded SignedProfile.
func SignProfile(k Key, p Profile) ([]byte, error) {
	if err := p.check(); err != nil {
		return nil, err
	}
	if p.Peer != k.ID() {
		return nil, errors.New("a profile is signed by the key it names")
	}
	raw, err := encodeProfile(p)
	if err != nil {
		return nil, err
	}
	sig, err := k.Sign(profileDomain, raw)
	if err != nil {
		return nil, fmt.Errorf("sign profile: %w", err)
	}
	return proto.Marshal(&pb.SignedProfile{Profile: raw, Signature: sig})
}

// OpenProfile decodes an encoded SignedProfile strictly and verifies it. now
// bounds its date, see [MaxProfileAhead].
func OpenProfile(b []byte, now time.Time) (Profile, error) {
	if len(b) > MaxProfile {
		return Profile{}, fmt.Errorf("profile of %d bytes, at most %d", len(b), MaxProfile)
	}
	var s pb.SignedProfile
	if err := proto.Unmarshal(b, &s); err != nil {
		return Profile{}, errors.New("malformed signed profile")
	}
	var m pb.Profile
	if err := proto.Unmarshal(s.Profile, &m); err != nil {
		return Profile{}, errors.New("malformed profile")
	}
	id, err := ParsePeer(m.Peer)
	if err != nil {
		return Profile{}, fmt.Errorf("profile: %w", err)
	}
	p := Profile{Peer: id, Name: m.Username, Status: m.Status, Version: m.Version, Time: time.UnixMilli(int64(m.Time)).UTC()}
	if err := p.check(); err != nil {
		return Profile{}, err
	}
	canonical, err := encodeProfile(p)
	if err != nil || !bytes.Equal(canonical, s.Profile) {
		return Profile{}, errors.New("profile is not in its canonical form")
	}
	if err := Verify(id, profileDomain, s.Profile, s.Signature); err != nil {
		return Profile{}, fmt.Errorf("profile of %s: %w", id, err)
	}
	if p.Time.After(now.Add(MaxProfileAhead)) {
		return Profile{}, &AheadError{Peer: id, By: p.Time.Sub(now)}
	}
	return p, nil
}

// AheadError: a profile, good in itself, is dated more than [MaxProfileAhead]
// ahead of our clock. One of the two clocks is wrong.
type AheadError struct {
	Peer peer.ID
	By   time.Duration
}

func (e *AheadError) Error() string {
	return fmt.Sprintf("profile of %s is dated %s ahead of our clock", e.Peer, e.By.Round(time.Second))
}

func (p Profile) check() error {
	n, err := NormalizeName(p.Name)
	if err != nil {
		return fmt.Errorf("profile: %w", err)
	}
	if n != p.Name {
		return fmt.Errorf("profile: username %q is not in its normal form", p.Name)
	}
	if len(p.Status) > MaxStatus {
		return fmt.Errorf("profile: status line of %d bytes, at most %d", len(p.Status), MaxStatus)
	}
	if !validText(p.Status) {
		return errors.New("profile: the status line must be UTF-8 without control characters")
	}
	if p.Version == 0 {
		return errors.New("profile: no protocol version")
	}
	if ms := p.Time.UnixMilli(); ms < 0 || ms >= 1<<48 {
		return errors.New("profile: time out of range")
	}
	return nil
}

func encodeProfile(p Profile) ([]byte, error) {
	return proto.MarshalOptions{Deterministic: true}.Marshal(&pb.Profile{
		Peer: []byte(p.Peer), Username: p.Name, Status: p.Status, Version: p.Version, Time: uint64(p.Time.UnixMilli()),
	})
}
