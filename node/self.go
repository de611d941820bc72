package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"p2pchat/node/api"
	"p2pchat/node/internal/hello"
	"p2pchat/node/internal/store"
	"p2pchat/protocol/identity"
)

// self is what we say of ourselves, guarded by its mutex.
type self struct {
	key identity.Key
	now func() time.Time
	mu  sync.Mutex
	acc store.Account
}

func newSelf(key identity.Key, acc store.Account, now func() time.Time) *self {
	return &self{key: key, now: now, acc: acc}
}

func (s *self) account() store.Account {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.acc
}

func (s *self) set(acc store.Account) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.acc = acc
}

// sign makes the introduction of this moment.
func (s *self) sign() (hello.Self, error) {
	acc := s.account()
	b, err := identity.SignProfile(s.key, identity.Profile{
		Peer: acc.Peer, Name: acc.Name, Status: acc.Status, Version: identity.ProtocolVersion, Time: s.now(),
	})
	return hello.Self{Signed: b, Away: acc.Away}, err
}

// SetAway implements [api.Service].
func (n *Node) SetAway(ctx context.Context, away bool, text string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if len(text) > api.MaxStatus {
		return api.Errorf(api.CodeTooLong, "the status line has %d bytes, at most %d", len(text), api.MaxStatus)
	}
	old := n.self.account()
	acc := old
	acc.Away, acc.Status = away, text
	n.self.set(acc)
	signed, err := n.self.sign()
	if err != nil {
		n.self.set(old)
		return api.Errorf(api.CodeBadText, "%w", err)
	}
	if err := n.store.Update(ctx, func(tx *store.Tx) error { return tx.SetAccount(acc) }); err != nil {
		n.self.set(old)
		return apiError(err)
	}
	n.hello.Tell(signed)
	n.rooms.Announce()
	return nil
}

// notices are sentences that stand until their cause is gone.
type notices struct {
	mu  sync.Mutex
	all map[string]string // by cause
}

func newNotices() *notices { return &notices{all: map[string]string{}} }

// set makes text stand for cause, or with "" removes it; it tells whether that
// is news.
func (x *notices) set(cause, text string) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.all[cause] == text {
		return false
	}
	if text == "" {
		delete(x.all, cause)
	} else {
		x.all[cause] = text
	}
	return true
}

// list gives all that stand but those for the causes without.
func (x *notices) list(without ...string) []string {
	x.mu.Lock()
	defer x.mu.Unlock()
	out := make([]string, 0, len(x.all))
	for cause, t := range x.all {
		if !slices.Contains(without, cause) {
			out = append(out, t)
		}
	}
	slices.Sort(out)
	return out
}

// notice tells the person something that stands until cause is cleared.
func (n *Node) notice(cause, text string) {
	if n.notices.set(cause, text) && text != "" {
		n.log.Warn("notice", "cause", cause)
		n.hub.publish(api.Change{Type: api.ChangeNotice, Notice: text})
	}
}

// hindered tells the person why the store keeps nothing, about which he can do
// something, and with nil that it does again. The store alone knows; until then what
// is said is refused.
func (n *Node) hindered(err error) {
	full := ""
	if errors.Is(err, store.ErrDiskFull) {
		full = "the disk is full: messages cannot be kept until there is space" + unkept
	}
	n.notice(causeDisk, full)
	n.outOfPlace(err)
}

const unkept = "; those not kept are not acknowledged and will come again"

// outOfPlace has the notice of that stand if err says that the data directory is not
// in its place.
func (n *Node) outOfPlace(err error) {
	text := ""
	if errors.Is(err, store.ErrMoved) {
		text = fmt.Sprintf("the data directory %s was moved, removed or replaced: messages cannot be kept until it is back"+unkept, n.cfg.Dir)
	}
	n.notice(causeMoved, text)
}

// uncommitted logs what could not be written; why nothing can be is said once, by
// the store.
func (n *Node) uncommitted(what string, err error, args ...any) {
	level := slog.LevelWarn
	if errors.Is(err, store.ErrDiskFull) || errors.Is(err, store.ErrMoved) {
		level = slog.LevelDebug
	}
	n.log.Log(n.ctx, level, what, append(args, "err", err)...)
}

// damaged tells the person; it stands as long as the node runs.
func (n *Node) damaged(error) {
	n.notice(causeDamage, "the database is damaged: what stands in the damaged part can be neither read nor written, and what cannot be kept is not acknowledged; "+
		"stop the node and run `p2pchat doctor --repair`, which keeps a copy and saves the rest")
}

// Causes of notices.
const (
	causeTwin   = "twin"   // another live node has our key
	causeDisk   = "disk"   // the disk is full
	causeMoved  = "moved"  // the data directory is not in its place
	causeDamage = "damage" // the database is damaged
	causeClock  = "clock"  // somebody's clock, or ours, is wrong

	causeRoomFile = "room-file" // a readable log cannot be written
)

func (x *notices) stands(cause string) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.all[cause] != ""
}
