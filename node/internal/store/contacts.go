package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
)

// Contact is a row of the roster.
type Contact struct {
	Peer        peer.ID
	Name        string // as he calls himself now
	Status      string
	Away        bool
	Profile     []byte // signed, as received; nil if there was none
	ProfileTime time.Time
	Addrs       []string // multiaddrs
	Via         string   // how he was found
	Static      bool     // added by hand
	FirstSeen   time.Time
	LastSeen    time.Time
	Verified    bool
	Blocked     bool
	PinnedName  string // the name first seen
}

const contactColumns = `p.id, c.name, c.status, c.away, c.profile, c.profile_time, c.addrs, c.via, c.static,
	c.first_seen, c.last_seen, c.verified, c.blocked, c.pinned_name`

func scanContact(scan func(...any) error) (Contact, error) {
	var c Contact
	var id []byte
	var addrs string
	var profiled, first, last sql.NullInt64
	err := scan(&id, &c.Name, &c.Status, &c.Away, &c.Profile, &profiled, &addrs, &c.Via, &c.Static,
		&first, &last, &c.Verified, &c.Blocked, &c.PinnedName)
	if err != nil {
		return c, err
	}
	if err := json.Unmarshal([]byte(addrs), &c.Addrs); err != nil {
		return c, fmt.Errorf("%w: addresses of a contact: %w", ErrDamaged, err)
	}
	c.Peer, c.ProfileTime, c.FirstSeen, c.LastSeen = peer.ID(id), wallOut(profiled), wallOut(first), wallOut(last)
	return c, nil
}

// Contacts lists all contacts by peer ID.
func (r *Reader) Contacts() ([]Contact, error) {
	var out []Contact
	// CROSS JOIN: the contacts are sorted rather than all peers walked through.
	err := r.rows(`SELECT `+contactColumns+` FROM contact c CROSS JOIN peer p ON p.n = c.peer ORDER BY p.id`, nil, func(scan func(...any) error) (bool, error) {
		c, err := scanContact(scan)
		out = append(out, c)
		return true, err
	})
	return out, err
}

// Contacts lists all contacts by peer ID.
func (s *Store) Contacts(ctx context.Context) ([]Contact, error) {
	return read(ctx, s, "list contacts", (*Reader).Contacts)
}

// Contact gives a contact. Error: ErrNotFound.
func (r *Reader) Contact(p peer.ID) (Contact, error) {
	var out Contact
	found := false
	err := r.rows(`SELECT `+contactColumns+` FROM contact c JOIN peer p ON p.n = c.peer WHERE p.id = ?`, []any{[]byte(p)}, func(scan func(...any) error) (bool, error) {
		var err error
		out, err = scanContact(scan)
		found = err == nil
		return true, err
	})
	if err == nil && !found {
		err = fmt.Errorf("contact %s: %w", p, ErrNotFound)
	}
	return out, err
}

// Contact gives a contact. Error: ErrNotFound.
func (s *Store) Contact(ctx context.Context, p peer.ID) (Contact, error) {
	return read(ctx, s, "read a contact", func(r *Reader) (Contact, error) { return r.Contact(p) })
}

// PutContact stores c whole, in place of what was known of the peer. Times are
// kept to the millisecond.
func (tx *Tx) PutContact(c Contact) error {
	p, err := tx.peerRow(c.Peer)
	if err != nil {
		return err
	}
	addrs, err := json.Marshal(c.Addrs)
	if err != nil {
		return err
	}
	_, err = tx.exec(`INSERT OR REPLACE INTO contact (peer, name, status, away, profile, profile_time, addrs, via, static,
		first_seen, last_seen, verified, blocked, pinned_name) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		p, c.Name, c.Status, c.Away, blob(c.Profile), wallIn(c.ProfileTime), string(addrs), c.Via, c.Static,
		wallIn(c.FirstSeen), wallIn(c.LastSeen), c.Verified, c.Blocked, c.PinnedName)
	return err
}

// DeleteContact forgets a contact; its messages stay. Error: ErrNotFound.
func (tx *Tx) DeleteContact(p peer.ID) error {
	return tx.deleteOne(`DELETE FROM contact WHERE peer = (SELECT n FROM peer WHERE id = ?)`, []byte(p))
}

// StaticAddrs lists the addresses added by hand whose peer is not known yet.
func (r *Reader) StaticAddrs() ([]string, error) {
	var out []string
	err := r.rows(`SELECT addr FROM static_addr ORDER BY addr`, nil, func(scan func(...any) error) (bool, error) {
		var a string
		err := scan(&a)
		out = append(out, a)
		return true, err
	})
	return out, err
}

// StaticAddrs lists the addresses added by hand whose peer is not known yet.
func (s *Store) StaticAddrs(ctx context.Context) ([]string, error) {
	return read(ctx, s, "list static addresses", (*Reader).StaticAddrs)
}

// AddStaticAddr keeps an address added by hand; one that is there already is
// left as it is.
func (tx *Tx) AddStaticAddr(addr string) error {
	_, err := tx.exec(`INSERT INTO static_addr (addr) VALUES (?) ON CONFLICT DO NOTHING`, addr)
	return err
}

// RemoveStaticAddr forgets an address. Error: ErrNotFound.
func (tx *Tx) RemoveStaticAddr(addr string) error {
	return tx.deleteOne(`DELETE FROM static_addr WHERE addr = ?`, addr)
}

func (tx *Tx) deleteOne(query string, arg any) error {
	res, err := tx.exec(query, arg)
	if err != nil {
		return err
	}
	if n, err := res.RowsAffected(); err != nil || n > 0 {
		return err
	}
	return ErrNotFound
}
