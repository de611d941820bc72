package store

import (
	"database/sql"
	"errors"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"p2pchat/protocol/event"
)

// clockOut and clockIn carry a hybrid clock reading through SQLite's signed
// integers with its order kept.
func clockIn(t event.Time) int64  { return int64(uint64(t) ^ 1<<63) }
func clockOut(v int64) event.Time { return event.Time(uint64(v) ^ 1<<63) }

// wallIn and wallOut carry a wall-clock time, the zero time as null.
func wallIn(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UnixMilli()
}

func wallOut(v sql.NullInt64) time.Time {
	if !v.Valid {
		return time.Time{}
	}
	return time.UnixMilli(v.Int64).UTC()
}

// blob keeps nil and empty apart from each other: the driver binds a nil slice
// in an interface as an empty blob.
func blob(b []byte) any {
	if b == nil {
		return nil
	}
	return b
}

func idOut(b []byte) (id event.ID, ok bool) {
	return id, copy(id[:], b) == len(id)
}

// idOrNil and idIn carry an ID that may be absent, as null.
func idOrNil(b []byte) *event.ID {
	if id, ok := idOut(b); ok {
		return &id
	}
	return nil
}

func idIn(id *event.ID) any {
	if id == nil {
		return nil
	}
	return id[:]
}

// peerRow is the integer of a peer, made if it has none.
func (tx *Tx) peerRow(p peer.ID) (int64, error) {
	return tx.ensure(`SELECT n FROM peer WHERE id = ?`, `INSERT INTO peer (id) VALUES (?)`, []byte(p))
}

// convRow is the integer of a conversation, made if it has none.
func (tx *Tx) convRow(conv event.Conversation) (int64, error) {
	return tx.ensure(`SELECT n FROM conversation WHERE id = ?`, `INSERT INTO conversation (id) VALUES (?)`, conv[:])
}

func (tx *Tx) ensure(find, add string, id []byte) (int64, error) {
	var n int64
	err := tx.row(find, []any{id}, &n)
	if !errors.Is(err, ErrNotFound) {
		return n, err
	}
	res, err := tx.exec(add, id)
	if err != nil {
		return 0, err
	}
	return res.LastInsertId()
}
