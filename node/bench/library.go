package main

import (
	"context"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"p2pchat/node"
	"p2pchat/node/api"
	"p2pchat/node/internal/store"
	"p2pchat/protocol/event"
	"p2pchat/protocol/identity"
	"p2pchat/protocol/room"
)

// library is the data directory of an account in a room in which much was said,
// by others who are not there.
type library struct {
	dir  string
	room string // its ID
	said int    // messages
	last string // text of the newest
}

const (
	authors  = 4
	daylight = 20 * time.Second // between two messages
)

// library gives one of so many messages, made once; it is to be left as it is.
func (b *bench) library(ctx context.Context, messages int) (library, error) {
	if l, ok := b.libraries[messages]; ok {
		return l, nil
	}
	l, err := newLibrary(ctx, filepath.Join(b.dir, fmt.Sprint("library-", messages)), messages)
	if err == nil {
		b.libraries[messages] = l
	}
	return l, err
}

// newLibrary makes one below dir with so many messages: they are signed and
// stored as if they had come long ago.
func newLibrary(ctx context.Context, dir string, messages int) (l library, err error) {
	l = library{dir: dir, said: messages}
	e, err := startNode(ctx, dir, "librarian", transports[1].listen, nil)
	if err != nil {
		return l, err
	}
	made, err := e.CreateRoom(ctx, api.CreateRoomRequest{Name: "library"})
	if err := e.stop(err); err != nil {
		return l, err
	}
	l.room = made.RoomID
	st, err := store.Open(ctx, dir, store.Options{})
	if err != nil {
		return l, err
	}
	defer func() {
		if e := st.Close(); err == nil {
			err = e
		}
		if err != nil {
			return
		}
		// Once, as a node that was there when it was said would have.
		if e, err = openNode(ctx, dir, transports[1].listen, nil); err == nil {
			err = e.stop(nil)
		}
	}()
	var id event.Conversation
	if err := l.id(&id); err != nil {
		return l, err
	}
	var pens [authors]pen
	start := time.Now().Add(-time.Duration(messages) * daylight)
	for i := range pens {
		if pens[i], err = newPen(id, byte(i)); err != nil {
			return l, err
		}
	}
	for n := -authors; n < messages; {
		var batch []*event.Event
		for ; n < messages && len(batch) < 4096; n++ {
			at := start.Add(time.Duration(n) * daylight)
			if n < 0 {
				batch = append(batch, pens[n+authors].join(at))
				continue
			}
			l.last = line(n)
			body, err := event.EncodeText(l.last)
			if err != nil {
				return l, err
			}
			batch = append(batch, pens[(n*n/7+n)%authors].sign(at, event.KindText, body))
		}
		err := st.Update(ctx, func(tx *store.Tx) error {
			for _, e := range batch {
				if _, err := tx.InsertRoom(e, time.Now(), store.VerdictVisible, e.Kind != event.KindText); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return l, err
		}
	}
	return l, nil
}

func (l library) id(to *event.Conversation) error {
	_, err := hex.Decode(to[:], []byte(l.room))
	return err
}

// line is what the n-th message says: words that occur in every tenth,
// hundredth … of them, and one that is its own.
func line(n int) string {
	return fmt.Sprintf("%s, need help with the %s in room %d: %s number%d",
		[]string{"Hello", "Hi", "Moin", "Servus", "Ahoj"}[n%5], []string{"projector", "printer", "switch", "cable", "radio", "pump", "winch"}[n/5%7],
		n%1000, []string{"is anybody there?", "it blinks red.", "who was here last?"}[n/35%3], n)
}

// pen writes the log of one author.
type pen struct {
	key  identity.Key
	head event.Header
}

func newPen(id event.Conversation, n byte) (pen, error) {
	seed := [32]byte{n, 'p', 'e', 'n'}
	k, err := identity.KeyFromSeed(seed[:])
	return pen{k, event.Header{
		Conversation: id, Lane: event.LaneMessage, Log: event.LogID{n + 1}, Ctl: []event.ID{event.ID(id)},
	}}, err
}

// sign panics where only a mistake of this program can make it.
func (p *pen) sign(at time.Time, kind event.Kind, body []byte) *event.Event {
	p.head.Seq++
	p.head.Kind, p.head.Time = kind, event.At(at)
	e, err := event.Sign(p.key, p.head, body)
	if err != nil {
		panic(err)
	}
	p.head.Prev = e.ID
	return e
}

func (p *pen) join(at time.Time) *event.Event {
	body, err := room.EncodeBody(&room.Join{Nick: fmt.Sprintf("author%d", p.head.Log[0])})
	if err != nil {
		panic(err)
	}
	return p.sign(at, room.KindJoin, body)
}

// copyTo makes dir a copy of the library, so that the next one meets it as it was.
func (l library) copyTo(dir string) error {
	if err := os.CopyFS(dir, os.DirFS(l.dir)); err != nil {
		return err
	}
	return os.Chmod(filepath.Join(dir, "account.key"), 0o600)
}

// open starts a node on a copy of the library.
func (l library) open(ctx context.Context, dir string, with ...func(*node.Config)) (*end, error) {
	if err := l.copyTo(dir); err != nil {
		return nil, err
	}
	return openNode(ctx, dir, transports[1].listen, nil, with...)
}
