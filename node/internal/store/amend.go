package store

import (
	"context"

	"github.com/libp2p/go-libp2p/core/peer"

	"p2pchat/protocol/event"
	"p2pchat/protocol/room"
)

// What is said of a text (edits, retractions, reactions) is kept as events whose
// column target names it. Nothing is worked out in advance: what is shown of a
// text is asked of those that count now, so it follows every verdict and does not
// depend on what came first. Only bodies are dropped when a retraction counts,
// those of the text and of its edits, in the change that brings the last of them.

// Amended is what became of a text.
type Amended = event.Amended

// Text is what is shown of a text: its own or that of its last edit. ok is false
// for what is none, and for one that was taken back or whose body was dropped.
func (s Stored) Text() (text string, ok bool) {
	switch {
	case s.Amended.Retracted || s.Verdict == VerdictRetracted || s.Body == nil || !s.Kind.Amendable():
		return "", false
	case s.Amended.Edit != nil:
		return s.Amended.Text, true
	case s.Kind == event.KindText:
		text, err := event.DecodeText(s.Body)
		return text, err == nil
	}
	b, err := room.DecodeBody(s.Kind, s.Body)
	if p, is := b.(*room.Private); is && err == nil {
		return p.Text, true
	}
	return "", false
}

// counting is the SQL for an event a by which something of a text may change.
const counting = `a.verdict IN (0, 2)`

// becomes reads what became of s; unblocked leaves out what contacts say of it who
// are blocked. It reads no more than [event.Amend] looks at, however much there is.
func (r *Reader) becomes(s *Stored, unblocked bool) error {
	if s.Verdict == VerdictRetracted || !s.Kind.Amendable() {
		return nil
	}
	var others []*event.Event
	for _, k := range []struct {
		kind  event.Kind
		limit int
	}{{event.KindRetract, 1}, {event.KindEdit, 1}, {event.KindReact, event.MaxReacting}} {
		query := `SELECT a.id, a.header, a.signature, a.body FROM event a CROSS JOIN peer p ON p.n = a.author CROSS JOIN log l ON l.n = a.log
			WHERE a.target = ? AND a.kind = ? AND +a.conv = (SELECT n FROM conversation WHERE id = ?) AND ` + counting + ` AND a.body IS NOT NULL`
		args := []any{s.ID[:], int64(k.kind), s.Conversation[:]}
		if k.kind != event.KindReact {
			query += ` AND p.id = ?`
			args = append(args, []byte(s.Author))
		}
		if unblocked {
			query += ` AND NOT EXISTS (SELECT 1 FROM contact b WHERE b.peer = a.author AND b.blocked <> 0)`
		}
		query += ` ORDER BY a.time DESC, p.id DESC, l.log DESC, a.seq DESC, a.id DESC LIMIT ?`
		err := r.rows(query, append(args, k.limit), func(scan func(...any) error) (bool, error) {
			e, err := scanEvent(scan, nil)
			others = append(others, e)
			return true, err
		})
		if err != nil {
			return err
		}
	}
	s.Amended = event.Amend(s.Event, others)
	return nil
}

// Listed tells whether a message is to be seen, as far as a room's rules go.
func (s Stored) Listed() bool { return s.Verdict.listed() }

// Shown is message id with what became of it. Error: ErrNotFound.
func (r *Reader) Shown(id event.ID, unblocked bool) (Stored, error) {
	s, err := r.EventByID(id)
	if err != nil {
		return s, err
	}
	return s, r.becomes(&s, unblocked)
}

// Shown is message id with what became of it. Error: ErrNotFound.
func (s *Store) Shown(ctx context.Context, id event.ID, unblocked bool) (Stored, error) {
	return read(ctx, s, "read a message", func(r *Reader) (Stored, error) { return r.Shown(id, unblocked) })
}

// Matching gives the IDs from from to to, of messages of conv that can be shown
// and are about none: at most limit.
func (s *Store) Matching(ctx context.Context, conv event.Conversation, from, to event.ID, limit int) ([]event.ID, error) {
	return read(ctx, s, "look for a message", func(r *Reader) ([]event.ID, error) { return r.matching(conv, from, to, limit) })
}

func (r *Reader) matching(conv event.Conversation, from, to event.ID, limit int) ([]event.ID, error) {
	var out []event.ID
	err := r.rows(`SELECT id FROM event WHERE id BETWEEN ? AND ? AND +conv = (SELECT n FROM conversation WHERE id = ?)
		AND +lane = 1 AND verdict IN (0, 2, 4) AND kind NOT IN (2, 3, 4) LIMIT ?`, []any{from[:], to[:], conv[:], limit},
		func(scan func(...any) error) (bool, error) {
			var b []byte
			err := scan(&b)
			id, _ := idOut(b)
			out = append(out, id)
			return true, err
		})
	return out, err
}

// Bodiless lists, ascending, texts of conv beyond after that are here without their
// body though nothing that counts took it back, at most limit. What the rules refuse
// is none.
func (s *Store) Bodiless(ctx context.Context, conv event.Conversation, after event.ID, limit int) ([]event.ID, error) {
	return read(ctx, s, "look for texts without a body", func(r *Reader) ([]event.ID, error) { return r.bodiless(conv, after, limit) })
}

// LacksBody tells whether a text is here without its body. Error: ErrNotFound.
func (s *Store) LacksBody(ctx context.Context, id event.ID) (bool, error) {
	return read(ctx, s, "look for the body of a text", func(r *Reader) (lacks bool, err error) {
		err = r.row(`SELECT body IS NULL FROM event WHERE id = ?`, []any{id[:]}, &lacks)
		return lacks, err
	})
}

func (r *Reader) bodiless(conv event.Conversation, after event.ID, limit int) ([]event.ID, error) {
	var out []event.ID
	err := r.rows(`SELECT e.id FROM event e INDEXED BY event_bodiless WHERE e.conv = (SELECT n FROM conversation WHERE id = ?)
		AND e.id > ? AND e.body IS NULL AND e.lane = 1 AND e.kind IN (1, 27) AND e.verdict <> 5
		AND NOT EXISTS (SELECT 1 FROM event a WHERE a.target = e.id AND a.kind = 3 AND a.author = e.author AND a.conv = e.conv AND `+counting+`)
		ORDER BY e.id LIMIT ?`, []any{conv[:], after[:], limit}, func(scan func(...any) error) (bool, error) {
		var b []byte
		err := scan(&b)
		id, _ := idOut(b)
		out = append(out, id)
		return true, err
	})
	return out, err
}

// about is the text that e is about, null for the column if it is about none.
func about(e *event.Event) *event.ID {
	if a, ok := e.Amendment(); ok {
		return &a.Target
	}
	return nil
}

// arriving is e as it is to be kept: without its body, if that was taken back
// before it came. It notes whether something that is here is about e.
func (tx *Tx) arriving(e *event.Event) (*event.Event, error) {
	text := e.ID
	switch a, ok := e.Amendment(); {
	case ok && e.Kind == event.KindEdit:
		text = a.Target
	case !e.Kind.Amendable():
		return e, nil
	}
	var spoken, gone bool
	err := tx.row(`SELECT EXISTS (SELECT 1 FROM event WHERE target = ?1), EXISTS (SELECT 1 FROM event a WHERE a.target = ?1 AND a.kind = 3
		AND `+counting+` AND a.author = (SELECT n FROM peer WHERE id = ?2) AND a.conv = (SELECT n FROM conversation WHERE id = ?3))`,
		[]any{text[:], []byte(e.Author), e.Conversation[:]}, &spoken, &gone)
	if err != nil {
		return nil, err
	}
	if spoken && e.Kind.Amendable() {
		if tx.spoken == nil {
			tx.spoken = map[event.ID]bool{}
		}
		tx.spoken[e.ID] = true
	}
	if !gone {
		return e, nil
	}
	bare := *e
	bare.Body = nil
	return &bare, nil
}

// Spoken tells of a text stored in this change whether something that came before
// is about it, or it was here without its body.
func (tx *Tx) Spoken(id event.ID) bool { return tx.spoken[id] || tx.embodied[id] }

// Embodied tells whether event id, which was here, got its body in this change.
func (tx *Tx) Embodied(id event.ID) bool { return tx.embodied[id] }

// amends has the bodies that an amendment takes back follow it. It is called
// whenever one comes or its verdict changes: what is shown of target may be
// another from here on.
func (tx *Tx) amends(n int64, kind event.Kind, target event.ID, v Verdict) error {
	if kind != event.KindRetract || v != VerdictNone && v != VerdictVisible {
		return nil
	}
	type spent struct {
		n int64
		place
	}
	var due []spent
	err := tx.rows(`SELECT e.n, c.id, p.id, l.log, e.seq FROM event r
		CROSS JOIN event e CROSS JOIN log l ON l.n = e.log CROSS JOIN peer p ON p.n = e.author CROSS JOIN conversation c ON c.n = e.conv
		WHERE r.n = ?1 AND e.conv = r.conv AND e.author = r.author AND e.body IS NOT NULL
		AND e.n IN (SELECT n FROM event WHERE id = ?2 AND kind IN (1, 27) UNION ALL SELECT n FROM event WHERE target = ?2 AND kind = 2)`,
		[]any{n, target[:]}, func(scan func(...any) error) (bool, error) {
			var s spent
			var conv, author, log []byte
			err := scan(&s.n, &conv, &author, &log, &s.seq)
			copy(s.conv[:], conv)
			s.log.Author = peer.ID(author)
			copy(s.log.Log[:], log)
			due = append(due, s)
			return true, err
		})
	if err != nil {
		return err
	}
	tx.dropped = tx.dropped || len(due) > 0
	for _, s := range due {
		if err := tx.unindex(s.n); err != nil {
			return err
		}
		if _, err := tx.exec(`UPDATE event SET body = NULL WHERE n = ?`, s.n); err != nil {
			return err
		}
		tx.news.spoilt = append(tx.news.spoilt, s.place)
	}
	return nil
}
