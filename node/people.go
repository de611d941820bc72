package node

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"

	"p2pchat/node/api"
	"p2pchat/node/internal/discovery"
	"p2pchat/node/internal/store"
	"p2pchat/protocol/identity"
)

// people is the roster: everybody a hello was exchanged with, kept by peer ID.
// It is guarded by its mutex; what changes is written behind by [Node.persist].
type people struct {
	mu      sync.Mutex
	self    person
	looks   [2]string // of self.name
	entries map[peer.ID]*entry
	dirty   map[peer.ID]bool
	// strangers are those with a connection who have not introduced
	// themselves: anybody can have one. What discovery says of them is kept
	// for when they do.
	strangers map[peer.ID]discovery.Remembered
}

// maxStrangers is far above the connections a node has, and bounds what
// somebody with many keys can fill.
const maxStrangers = 1024

type entry struct {
	store.Contact
	online bool
	looks  [2]string
}

func newPeople(self person, contacts []store.Contact) *people {
	r := &people{
		self: self, looks: identity.Looks(self.name),
		entries: make(map[peer.ID]*entry, len(contacts)), dirty: map[peer.ID]bool{},
		strangers: map[peer.ID]discovery.Remembered{},
	}
	for _, c := range contacts {
		r.entries[c.Peer] = &entry{Contact: c, looks: identity.Looks(c.Name)}
	}
	return r
}

// met notes that somebody introduced himself and is here.
func (r *people) met(p identity.Profile, signed []byte, away bool, now time.Time) (renamed bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e := r.entries[p.Peer]
	if e == nil {
		e = &entry{Contact: store.Contact{Peer: p.Peer, FirstSeen: now}}
		r.entries[p.Peer] = e
		if m, ok := r.strangers[p.Peer]; ok {
			e.found(m)
			delete(r.strangers, p.Peer)
		}
	}
	// Of two profiles the newer counts, whichever arrives last.
	if !p.Time.Before(e.ProfileTime) {
		renamed = e.Name != p.Name
		e.Name, e.Status, e.Profile, e.ProfileTime = p.Name, p.Status, signed, p.Time
		e.looks = identity.Looks(p.Name)
	}
	if e.PinnedName == "" {
		e.PinnedName = p.Name
	}
	if e.Via == "" {
		e.Via = api.ViaIncoming // discovery says so if it knows better
	}
	e.Away, e.online, e.LastSeen = away, true, now
	r.dirty[p.Peer] = true
	return renamed
}

// remember notes what discovery keeps of somebody. Only those who introduced
// themselves, and those a person named, are in the roster.
func (r *people) remember(m discovery.Remembered) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e := r.entries[m.Peer]
	if e == nil {
		if !m.Static {
			if len(r.strangers) < maxStrangers {
				r.strangers[m.Peer] = m
			}
			return
		}
		e = &entry{Contact: store.Contact{Peer: m.Peer, FirstSeen: time.Now()}, looks: identity.Looks("")}
		r.entries[m.Peer] = e
	}
	e.found(m)
	r.dirty[m.Peer] = true
}

// found notes where somebody was found.
func (e *entry) found(m discovery.Remembered) {
	e.Addrs = make([]string, len(m.Addrs))
	for i, a := range m.Addrs {
		e.Addrs[i] = a.String()
	}
	e.Via, e.Static = string(m.Via), m.Static
	if m.LastSeen.After(e.LastSeen) {
		e.LastSeen = m.LastSeen
	}
}

// parted forgets a stranger whose connection is gone.
func (r *people) parted(id peer.ID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.strangers, id)
}

// remembered is what discovery starts from.
func (r *people) remembered() []discovery.Remembered {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []discovery.Remembered
	for _, e := range r.entries {
		m := discovery.Remembered{Peer: e.Peer, Via: discovery.Via(e.Via), Static: e.Static, LastSeen: e.LastSeen}
		for _, s := range e.Addrs {
			if a, err := ma.NewMultiaddr(s); err == nil { // one we no longer understand is no use
				m.Addrs = append(m.Addrs, a)
			}
		}
		out = append(out, m)
	}
	return out
}

// left notes that somebody is gone.
func (r *people) left(id peer.ID, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if e := r.entries[id]; e != nil {
		e.online, e.LastSeen = false, now
		r.dirty[id] = true
	}
}

// remove forgets somebody.
func (r *people) remove(id peer.ID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.entries, id)
	delete(r.dirty, id)
}

func (r *people) ids() []peer.ID {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Collect(maps.Keys(r.entries))
}

func (r *people) has(id peer.ID) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.entries[id] != nil
}

func (r *people) online(id peer.ID) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	e := r.entries[id]
	return e != nil && e.online
}

// name is what somebody is called here, "" if he never said.
func (r *people) name(id peer.ID) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if id == r.self.id {
		return r.self.name
	}
	if e := r.entries[id]; e != nil {
		return e.Name
	}
	return ""
}

// called is name, or for somebody who never said the beginning of his
// fingerprint.
func (r *people) called(id peer.ID) string {
	if name := r.name(id); name != "" {
		return name
	}
	return "~" + identity.Fingerprint(id)
}

func (r *people) verified(id peer.ID) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	e := r.entries[id]
	return e != nil && e.Verified
}

// blocked tells whether a person wants nothing to do with somebody.
func (r *people) blocked(id peer.ID) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	e := r.entries[id]
	return e != nil && e.Blocked
}

// mark changes what we hold of somebody, and returns his contact before and
// after. Somebody who was not in the roster is in it then: a person named him.
func (r *people) mark(id peer.ID, f func(*store.Contact)) (before, after store.Contact) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e := r.entries[id]
	if e == nil {
		e = &entry{Contact: store.Contact{Peer: id, FirstSeen: time.Now()}, looks: identity.Looks("")}
		if m, ok := r.strangers[id]; ok {
			e.found(m)
			delete(r.strangers, id)
		}
		r.entries[id] = e
	}
	before = e.Contact
	f(&e.Contact)
	return before, e.Contact
}

// resolve finds the person a WHO or TARGET names, among those in the roster
// and, by peer ID, those one has talked to.
func (r *people) resolve(target string, talked func(peer.ID) bool) (peer.ID, error) {
	if id, err := peer.Decode(strings.TrimPrefix(strings.TrimPrefix(target, "user:"), "@")); err == nil && talked(id) {
		return id, nil
	}
	r.mu.Lock()
	list := make([]person, 0, len(r.entries))
	for id, e := range r.entries {
		list = append(list, person{id, e.Name})
	}
	self := r.self
	r.mu.Unlock()
	return resolve(target, self, list)
}

// list gives the roster's rows, online first, then by name.
func (r *people) list() []api.Peer {
	r.mu.Lock()
	defer r.mu.Unlock()
	warn := r.warnings()
	out := make([]api.Peer, 0, len(r.entries))
	for id, e := range r.entries {
		out = append(out, e.row(warn[id]))
	}
	slices.SortFunc(out, func(a, b api.Peer) int {
		return cmp.Or(-cmp.Compare(a.State, b.State), cmp.Compare(a.Name, b.Name), cmp.Compare(a.PeerID, b.PeerID))
	})
	return out
}

// row gives one row, and false if there is none.
func (r *people) row(id peer.ID) (api.Peer, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e := r.entries[id]
	if e == nil {
		return api.Peer{}, false
	}
	return e.row(r.warning(e)), true
}

func (e *entry) row(warning string) api.Peer {
	p := api.Peer{
		Name: e.Name, PeerID: e.Peer.String(), Fingerprint: identity.Fingerprint(e.Peer),
		Addrs: make([]string, len(e.Addrs)), Via: e.Via, State: api.Offline, LastSeen: api.Time{Time: e.LastSeen},
		Verified: e.Verified, Away: e.online && e.Away, Status: e.Status, Warning: warning, Blocked: e.Blocked,
	}
	for i, a := range e.Addrs {
		p.Addrs[i] = a + "/p2p/" + p.PeerID
	}
	if e.online {
		p.State, p.LastSeen = api.Online, api.Time{Time: time.Now()}
	}
	return p
}

// warning tells what is odd about somebody's name, "" if nothing is.
func (r *people) warning(e *entry) string {
	if alike(e.looks, r.looks) {
		return "looks like your own name"
	}
	var first *entry
	for _, o := range r.entries {
		if o != e && alike(o.looks, e.looks) && earlier(o, e) && (first == nil || earlier(o, first)) {
			first = o
		}
	}
	return e.warn(first)
}

// warnings is warning for everybody at once, without comparing each with each.
func (r *people) warnings() map[peer.ID]string {
	var first [2]map[string]*entry
	for i := range first {
		first[i] = make(map[string]*entry, len(r.entries))
		for _, e := range r.entries {
			if o := first[i][e.looks[i]]; o == nil || earlier(e, o) {
				first[i][e.looks[i]] = e
			}
		}
	}
	out := map[peer.ID]string{}
	for id, e := range r.entries {
		if alike(e.looks, r.looks) {
			out[id] = "looks like your own name"
			continue
		}
		var of *entry
		for i := range first {
			if o := first[i][e.looks[i]]; o != e && e.Name != "" && (of == nil || earlier(o, of)) {
				of = o
			}
		}
		out[id] = e.warn(of)
	}
	return out
}

func (e *entry) warn(first *entry) string {
	switch {
	case first != nil:
		return fmt.Sprintf("looks like %s (fingerprint %s), who was seen earlier", first.Name, identity.Fingerprint(first.Peer))
	case e.PinnedName != "" && e.PinnedName != e.Name:
		return fmt.Sprintf("was called %s when first seen", e.PinnedName)
	}
	return ""
}

// alike never holds for somebody who has not said his name.
func alike(a, b [2]string) bool { return a[0] != "" && (a[0] == b[0] || a[1] == b[1]) }

func earlier(a, b *entry) bool {
	if !a.FirstSeen.Equal(b.FirstSeen) {
		return a.FirstSeen.Before(b.FirstSeen)
	}
	return a.Peer < b.Peer
}

// flush hands what changed to write. A failed write stays due.
func (r *people) flush(ctx context.Context, write func(context.Context, []store.Contact) error) error {
	r.mu.Lock()
	due := make([]store.Contact, 0, len(r.dirty))
	for id := range r.dirty {
		due = append(due, r.entries[id].Contact)
	}
	r.dirty = map[peer.ID]bool{}
	r.mu.Unlock()
	if len(due) == 0 {
		return nil
	}
	err := write(ctx, due)
	if err != nil {
		r.mu.Lock()
		for _, c := range due {
			if r.entries[c.Peer] != nil {
				r.dirty[c.Peer] = true
			}
		}
		r.mu.Unlock()
	}
	return err
}
