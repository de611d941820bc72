package apitest

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"math/big"
	"slices"
	"strconv"
	"strings"

	"p2pchat/node/api"
)

// identityFor makes an identity that looks like one made from a key: the peer
// ID is base58 of an Ed25519 key's multihash.
func identityFor(name string, number int) api.Identity {
	key := sha256.Sum256([]byte(name + "\x00" + strconv.Itoa(number)))
	print := sha256.Sum256(key[:])
	groups := hex.EncodeToString(print[:8])
	return api.Identity{
		PeerID:      base58(append([]byte{0x00, 0x24, 0x08, 0x01, 0x12, 0x20}, key[:]...)),
		Name:        name,
		Fingerprint: groups[:4] + " " + groups[4:8] + " " + groups[8:12] + " " + groups[12:],
	}
}

func base58(b []byte) string {
	const digits = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
	var out []byte
	v, radix, digit := new(big.Int).SetBytes(b), big.NewInt(58), new(big.Int)
	for v.Sign() > 0 {
		v.DivMod(v, radix, digit)
		out = append(out, digits[digit.Int64()])
	}
	for _, x := range b {
		if x != 0 {
			break
		}
		out = append(out, digits[0])
	}
	slices.Reverse(out)
	return string(out)
}

func conversationID(a, b string) string {
	sum := sha256.Sum256([]byte(min(a, b) + "\x00" + max(a, b)))
	return hex.EncodeToString(sum[:])
}

func messageID(conversation, author string, seq uint64) string {
	sum := sha256.Sum256(binary.BigEndian.AppendUint64([]byte(conversation+author), seq))
	return hex.EncodeToString(sum[:])
}

// resolve finds the one contact that target means.
func (n *FakeNode) resolve(target string) (*contact, error) {
	name := target
	if strings.HasPrefix(target, "#") || strings.HasPrefix(target, "room:") {
		return nil, api.Errorf(api.CodeNotFound, "no room is called %q", target)
	}
	name = strings.TrimPrefix(name, "user:")
	name = strings.TrimPrefix(name, "@")
	if c := n.contacts[name]; c != nil {
		return c, nil
	}
	var found []*contact
	for _, c := range n.contacts {
		if c.peer.self.Name == name {
			found = append(found, c)
		}
	}
	switch len(found) {
	case 0:
		return nil, api.Errorf(api.CodeNotFound, "nobody called %q is known", target)
	case 1:
		return found[0], nil
	}
	err := api.Errorf(api.CodeAmbiguous, "%d people are called %q: use a peer ID", len(found), target)
	for _, c := range found {
		err.Candidates = append(err.Candidates, c.peer.self.PeerID)
	}
	slices.Sort(err.Candidates)
	return nil, err
}

// nameTaken tells whether somebody other than c, or the node itself, has c's
// name.
func (n *FakeNode) nameTaken(c *contact) bool {
	if c.peer.self.Name == n.self.Name {
		return true
	}
	for _, other := range n.contacts {
		if other != c && other.peer.self.Name == c.peer.self.Name {
			return true
		}
	}
	return false
}
