package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"p2pchat/protocol/event"
)

// Account is whose database it is.
type Account struct {
	Peer    peer.ID
	Name    string
	Status  string
	Away    bool
	Created time.Time
}

// Account gives the account. Error: ErrNotFound.
func (r *Reader) Account() (Account, error) {
	var a Account
	var id []byte
	var created sql.NullInt64
	err := r.row(`SELECT p.id, a.name, a.status, a.away, a.created FROM account a JOIN peer p ON p.n = a.peer`, nil,
		&id, &a.Name, &a.Status, &a.Away, &created)
	a.Peer, a.Created = peer.ID(id), wallOut(created)
	return a, err
}

// Account gives the account. Error: ErrNotFound.
func (s *Store) Account(ctx context.Context) (Account, error) {
	return read(ctx, s, "read the account", (*Reader).Account)
}

// SetAccount stores the account, or its new name and status. It comes before
// anything else in a new database, since unread messages are those of others;
// the peer ID cannot change any more.
func (tx *Tx) SetAccount(a Account) error {
	old, err := tx.Account()
	if err == nil && old.Peer != a.Peer {
		return fmt.Errorf("the database belongs to %s, not %s", old.Peer, a.Peer)
	}
	if err != nil && !errors.Is(err, ErrNotFound) {
		return err
	}
	p, err := tx.peerRow(a.Peer)
	if err != nil {
		return err
	}
	_, err = tx.exec(`INSERT INTO account (one, peer, name, status, away, created) VALUES (1, ?, ?, ?, ?, ?)
		ON CONFLICT (one) DO UPDATE SET name = excluded.name, status = excluded.status, away = excluded.away, created = excluded.created`,
		p, a.Name, a.Status, a.Away, a.Created.UnixMilli())
	return err
}

// Clock is the last reading of our clock, 0 if there was none.
func (r *Reader) Clock() (event.Time, error) {
	var v sql.NullInt64
	err := r.row(`SELECT max(v) FROM (SELECT time AS v FROM clock UNION ALL SELECT clock FROM log)`, nil, &v)
	if err != nil || !v.Valid {
		return 0, err
	}
	return clockOut(v.Int64), nil
}

// Clock is the last reading of our clock, 0 if there was none.
func (s *Store) Clock(ctx context.Context) (event.Time, error) {
	return read(ctx, s, "read the clock", (*Reader).Clock)
}

// Clock is the last reading of our clock, 0 if there was none.
func (tx *Tx) Clock() (event.Time, error) {
	if tx.clock.known {
		return tx.clock.time, nil
	}
	t, err := tx.Reader.Clock()
	*tx.clock = clockReading{t, err == nil}
	return t, err
}

// SetClock keeps the reading of our clock, which only ever rises: with the row of
// a log that is to be written anyway, if there is one.
func (tx *Tx) SetClock(t event.Time) error {
	defer tx.putOff()()
	tx.timed = true
	for _, l := range tx.tally {
		if l.moved {
			l.clock, *tx.clock = &t, clockReading{t, true}
			return nil
		}
	}
	_, err := tx.exec(`INSERT INTO clock (one, time) VALUES (1, ?) ON CONFLICT (one) DO UPDATE SET time = excluded.time`, clockIn(t))
	*tx.clock = clockReading{t, err == nil}
	return err
}
