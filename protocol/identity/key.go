package identity

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/peer"
)

// Key is an account's secret key. The zero Key is not usable.
type Key struct {
	priv crypto.PrivKey
	id   peer.ID
}

// NewKey makes a key from the randomness of r, 32 bytes.
func NewKey(r io.Reader) (Key, error) {
	seed := make([]byte, ed25519.SeedSize)
	if _, err := io.ReadFull(r, seed); err != nil {
		return Key{}, fmt.Errorf("make key: %w", err)
	}
	return KeyFromSeed(seed)
}

// KeyFromSeed makes the key of a 32-byte Ed25519 seed (RFC 8032, 5.1.5).
func KeyFromSeed(seed []byte) (Key, error) {
	if len(seed) != ed25519.SeedSize {
		return Key{}, fmt.Errorf("key seed of %d bytes, want %d", len(seed), ed25519.SeedSize)
	}
	priv, err := crypto.UnmarshalEd25519PrivateKey(ed25519.NewKeyFromSeed(seed))
	if err != nil {
		return Key{}, fmt.Errorf("make key: %w", err)
	}
	id, err := peer.IDFromPrivateKey(priv)
	if err != nil {
		return Key{}, fmt.Errorf("make key: %w", err)
	}
	return Key{priv: priv, id: id}, nil
}

// Seed is the 32-byte secret from which [KeyFromSeed] makes the key again.
func (k Key) Seed() []byte {
	raw, err := k.priv.Raw()
	if err != nil { // an Ed25519 key held in memory always has its raw form
		panic(err)
	}
	return ed25519.PrivateKey(raw).Seed()
}

// ID is the key's peer ID.
func (k Key) ID() peer.ID { return k.id }

// Libp2p is the key as a libp2p host takes it.
func (k Key) Libp2p() crypto.PrivKey { return k.priv }

// Sign signs domain ‖ msg with Ed25519; the signature is 64 bytes.
func (k Key) Sign(domain string, msg []byte) ([]byte, error) {
	return k.priv.Sign(append([]byte(domain), msg...))
}

// errSignature is deliberately the only thing a bad signature says.
var errSignature = errors.New("signature does not verify")

// Verify checks a signature made by [Key.Sign] with id's key.
func Verify(id peer.ID, domain string, msg, sig []byte) error {
	pub, err := PublicKey(id)
	if err != nil {
		return err
	}
	if len(sig) != ed25519.SignatureSize || !ed25519.Verify(pub, append([]byte(domain), msg...), sig) {
		return errSignature
	}
	return nil
}

// PublicKey takes the Ed25519 public key out of a peer ID. Peer IDs of other
// key types, which only carry a hash, are refused.
func PublicKey(id peer.ID) (ed25519.PublicKey, error) {
	pub, err := id.ExtractPublicKey()
	if err != nil {
		return nil, fmt.Errorf("peer ID %s carries no Ed25519 key", id)
	}
	if pub.Type() != crypto.Ed25519 {
		return nil, fmt.Errorf("peer ID %s carries a %s key, want Ed25519", id, pub.Type())
	}
	raw, err := pub.Raw()
	if err != nil {
		return nil, fmt.Errorf("peer ID %s: %w", id, err)
	}
	return raw, nil
}

// ParsePeer decodes a peer ID from its bytes, strictly: it must be the one
// encoding of an Ed25519 key.
func ParsePeer(b []byte) (peer.ID, error) {
	id, err := peer.IDFromBytes(b)
	if err != nil {
		return "", fmt.Errorf("malformed peer ID: %w", err)
	}
	pub, err := PublicKey(id)
	if err != nil {
		return "", err
	}
	lp, err := crypto.UnmarshalEd25519PublicKey(pub)
	if err != nil {
		return "", fmt.Errorf("malformed peer ID: %w", err)
	}
	canonical, err := peer.IDFromPublicKey(lp)
	if err != nil || canonical != id {
		return "", errors.New("peer ID is not in its canonical form")
	}
	return id, nil
}

// fingerprintDomain keeps a fingerprint from being any other hash of the key.
const fingerprintDomain = "p2pchat fingerprint v1\x00"

// Fingerprint is what people compare to tell two keys apart: the first 100
// bits of SHA-256(domain ‖ peer ID) as five groups of four base32 letters.
func Fingerprint(id peer.ID) string {
	sum := sha256.Sum256([]byte(fingerprintDomain + string(id)))
	s := strings.ToLower(base32.StdEncoding.EncodeToString(sum[:]))
	return strings.Join([]string{s[0:4], s[4:8], s[8:12], s[12:16], s[16:20]}, "-")
}
