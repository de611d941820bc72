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

// resolveTarget finds the one conversation that target means.
func (n *FakeNode) resolveTarget(target string) (talk, error) {
	p, roomErr := n.resolvePlace(target)
	if roomOnly(target) || api.IsCode(roomErr, api.CodeAmbiguous) {
		return talk{place: p}, roomErr
	}
	c, err := n.resolve(target)
	switch {
	case roomErr != nil:
		return talk{contact: c}, err
	case err != nil && !api.IsCode(err, api.CodeAmbiguous):
		return talk{place: p}, nil
	case err != nil:
		return talk{}, err
	}
	e := api.Errorf(api.CodeAmbiguous, "a person and a room are called %q: write '@%s' or '#%s'", target, target, target)
	e.Candidates = []string{c.peer.self.PeerID, p.room.id}
	return talk{}, e
}

// roomOnly tells whether target can mean nothing but a room.
func roomOnly(target string) bool {
	return strings.HasPrefix(target, "#") || strings.HasPrefix(target, "room:") || isRoomID(target)
}

func isRoomID(s string) bool { return len(s) == 64 && isHex(s) }

// roomName is a ROOM without what says that it is one; "" for what means a
// person.
func roomName(target string) string {
	if strings.HasPrefix(target, "@") || strings.HasPrefix(target, "user:") {
		return ""
	}
	if name, ok := strings.CutPrefix(target, "room:"); ok {
		return name
	}
	return strings.TrimPrefix(target, "#")
}

// resolvePlace finds a room the node is in, or else was in.
func (n *FakeNode) resolvePlace(target string) (*place, error) {
	name := roomName(target)
	for _, joined := range []bool{true, false} {
		var found []*place
		for _, p := range n.places {
			if p.room.id == name {
				return p, nil
			}
			if p.joined == joined && strings.EqualFold(p.name(), name) {
				found = append(found, p)
			}
		}
		if len(found) == 1 {
			return found[0], nil
		}
		if len(found) > 1 {
			var ids []string
			for _, p := range found {
				ids = append(ids, p.room.id)
			}
			return nil, ambiguousRoom(target, ids)
		}
	}
	return nil, api.Errorf(api.CodeNotFound, "no room called %q is known", target)
}

func ambiguousRoom(target string, ids []string) *api.Error {
	slices.Sort(ids)
	err := api.Errorf(api.CodeAmbiguous, "%d rooms are called %q: use a room ID", len(ids), target)
	err.Candidates = ids
	return err
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
		if name == n.self.Name || name == n.self.PeerID {
			return nil, api.Errorf(api.CodeUsage, "that is your own account")
		}
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
