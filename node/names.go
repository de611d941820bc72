package node

import (
	"fmt"
	"slices"
	"strings"

	"github.com/libp2p/go-libp2p/core/peer"

	"p2pchat/node/api"
	"p2pchat/protocol/identity"
)

// person is what name resolution needs to know of somebody.
type person struct {
	id   peer.ID
	name string
}

// resolve finds the person a WHO or TARGET names: `name`, `@name`, `user:name`,
// `name~fingerprint` where several have one name, or a peer ID. Errors: usage, not-found, ambiguous.
func resolve(target string, self person, people []person) (peer.ID, error) {
	name := trimPerson(target)
	if name == "" {
		return "", api.Errorf(api.CodeNotFound, "no name given (a shell may have eaten it: quote names that begin with @ or #)")
	}
	if id, err := peer.Decode(name); err == nil {
		if id == self.id {
			return "", errSelf
		}
		if !slices.ContainsFunc(people, func(p person) bool { return p.id == id }) {
			return "", api.Errorf(api.CodeNotFound, "nobody with the peer ID %s has been seen; `p2pchat peers add MULTIADDR` finds a peer beyond this network", name)
		}
		return id, nil
	}
	found := pick(people, func(p person) bool { return p.name == name })
	if len(found) == 0 {
		found = pick(people, func(p person) bool { return p.name != "" && identity.SameName(p.name, name) })
	}
	if len(found) == 0 {
		found = byFingerprint(name, people)
	}
	switch {
	case len(found) == 1:
		return found[0].id, nil
	case len(found) > 1:
		slices.SortFunc(found, func(a, b person) int { return strings.Compare(a.id.String(), b.id.String()) })
		var ids, who []string
		for _, p := range found {
			ids = append(ids, p.id.String())
			who = append(who, fmt.Sprintf("%s~%s (%s)", p.name, identity.Fingerprint(p.id), p.id))
		}
		e := api.Errorf(api.CodeAmbiguous, "%d people are called %q: say which by the fingerprint or its beginning: %s",
			len(found), name, strings.Join(who, ", "))
		e.Candidates = ids
		return "", e
	case identity.SameName(name, self.name):
		return "", errSelf
	}
	return "", api.Errorf(api.CodeNotFound, "nobody called %q has been seen; `p2pchat peers` lists who has", name)
}

// trimPerson takes off what says that a target is a person.
func trimPerson(target string) string {
	if name, ok := strings.CutPrefix(target, "user:"); ok {
		return name
	}
	return strings.TrimPrefix(target, "@")
}

// byFingerprint finds who is named as NAME~FINGERPRINT, of which the beginning
// will do.
func byFingerprint(target string, people []person) []person {
	i := strings.LastIndexByte(target, '~')
	if i <= 0 || i == len(target)-1 {
		return nil
	}
	name, print := target[:i], strings.ToLower(target[i+1:])
	return pick(people, func(p person) bool {
		return p.name != "" && identity.SameName(p.name, name) && strings.HasPrefix(identity.Fingerprint(p.id), print)
	})
}

var errSelf = api.Errorf(api.CodeUsage, "that is your own account")

func pick(people []person, f func(person) bool) []person {
	var out []person
	for _, p := range people {
		if f(p) {
			out = append(out, p)
		}
	}
	return out
}
