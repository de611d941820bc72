package store

import (
	"context"
	"errors"

	"github.com/libp2p/go-libp2p/core/peer"

	"p2pchat/protocol/event"
)

// PutAdmitted keeps that p may have the room's history and keys without another
// word for it.
func (tx *Tx) PutAdmitted(room event.Conversation, p peer.ID) error {
	c, err := tx.convRow(room)
	if err != nil {
		return err
	}
	n, err := tx.peerRow(p)
	if err != nil {
		return err
	}
	_, err = tx.exec(`INSERT INTO admitted (conv, peer) VALUES (?, ?) ON CONFLICT DO NOTHING`, c, n)
	return err
}

// Admitted lists whom PutAdmitted named.
func (s *Store) Admitted(ctx context.Context, room event.Conversation) ([]peer.ID, error) {
	return read(ctx, s, "read who was admitted", func(r *Reader) ([]peer.ID, error) {
		var out []peer.ID
		err := r.rows(`SELECT p.id FROM admitted a JOIN peer p ON p.n = a.peer WHERE a.conv = (SELECT n FROM conversation WHERE id = ?)`,
			[]any{room[:]}, func(scan func(...any) error) (bool, error) {
				var id []byte
				err := scan(&id)
				out = append(out, peer.ID(id))
				return true, err
			})
		return out, err
	})
}

// PutSecret keeps what members know of the room's password, in place of what was
// there. sealed is opaque here.
func (tx *Tx) PutSecret(room event.Conversation, generation uint64, sealed []byte) error {
	c, err := tx.convRow(room)
	if err != nil {
		return err
	}
	_, err = tx.exec(`INSERT INTO secret (conv, generation, sealed) VALUES (?, ?, ?)
		ON CONFLICT (conv) DO UPDATE SET generation = excluded.generation, sealed = excluded.sealed`, c, int64(generation), sealed)
	return err
}

// secret is a row of the table secret.
type secret struct {
	generation uint64
	sealed     []byte
}

// Secret gives what PutSecret kept; nil if nothing was.
func (s *Store) Secret(ctx context.Context, room event.Conversation) (generation uint64, sealed []byte, err error) {
	row, err := read(ctx, s, "read a room's secret", func(r *Reader) (secret, error) {
		var n int64
		var out secret
		err := r.row(`SELECT generation, sealed FROM secret WHERE conv = (SELECT n FROM conversation WHERE id = ?)`, []any{room[:]}, &n, &out.sealed)
		if errors.Is(err, ErrNotFound) {
			err = nil
		}
		out.generation = uint64(n)
		return out, err
	})
	return row.generation, row.sealed, err
}

// Invitations lists, oldest first, the events of the kinds 24 and 25 in direct
// conversations: invitations into rooms and the answers to them.
func (s *Store) Invitations(ctx context.Context) ([]Stored, error) {
	return read(ctx, s, "read invitations", func(r *Reader) ([]Stored, error) {
		var out []Stored
		err := r.rows(`SELECT `+storedColumns+` FROM event e WHERE e.kind IN (24, 25) AND e.lane = 1 AND e.verdict = 0 ORDER BY e.time, e.id`, nil,
			func(scan func(...any) error) (bool, error) {
				one, err := scanStored(scan)
				out = append(out, one)
				return true, err
			})
		return out, err
	})
}
