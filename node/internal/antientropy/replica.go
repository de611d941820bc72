package antientropy

import (
	"context"
	"errors"

	"github.com/libp2p/go-libp2p/core/peer"

	"p2pchat/protocol/event"
)

// Summary is what is committed of a room.
type Summary struct {
	Root    [32]byte      // of the control set
	Buckets [256][32]byte // hashes of its buckets, zero for empty ones
	// Frontier is how far each log is held without a gap, counted from its low
	// mark. It is not changed.
	Frontier event.Frontier
	// Low gives the first seq that is wanted of logs of which the beginning is
	// not; nil if there are none. It is not changed.
	Low map[event.LogKey]uint64
	// Forks gives, for logs in which somebody signed several events for one place,
	// and for those of which something is held above a gap, a hash of that, the
	// same for whoever holds the same; nil if there are none. It is not changed.
	Forks map[event.LogKey][32]byte
	// Scattered are those of these logs that have no branches, only pieces above a
	// gap. It is not changed.
	Scattered map[event.LogKey]bool
	// Wanted are IDs of control events that something held or parked cites and
	// that are not here; nil if there are none.
	Wanted []event.ID
}

// Replica is one room's history as sync moves it. All methods are safe for
// concurrent use.
type Replica interface {
	// Summary is what is committed now.
	Summary(ctx context.Context) (Summary, error)
	// Covered lists, ascending, the control IDs in a bucket, those the root is
	// over.
	Covered(ctx context.Context, bucket byte) ([]event.ID, error)
	// Controls gives the control events among ids that are held, covered or
	// not, each after those it cites; if they are over limitBytes, one or more
	// of the first.
	Controls(ctx context.Context, ids []event.ID, limitBytes int) ([]*event.Event, error)
	// Bodiless lists, ascending, messages beyond after that are held without their
	// body though nothing took it back, at most limit.
	Bodiless(ctx context.Context, after event.ID, limit int) ([]event.ID, error)
	// Bodies gives the messages among ids that are held with a body which others
	// may lack.
	Bodies(ctx context.Context, ids []event.ID) ([]*event.Event, error)
	// Range gives what is held of a piece of a log, by seq, both events where
	// it has forked. It stops before the first seq that would take it over
	// limitBytes, but gives one seq at least.
	Range(ctx context.Context, r event.Range, limitBytes int) ([]*event.Event, error)
	// Newest gives the newest n messages that are shown, with the joins their
	// authors said them under, log by log. It may give more or fewer.
	Newest(ctx context.Context, n int) ([]*event.Event, error)
	// Ingest verifies, judges and commits events of the room; those already
	// held are passed over. It returns when they are on disk or parked, with the
	// number of those that are kept and were not here. An error that wraps
	// ErrRefused is the sender's fault and ends the run.
	Ingest(ctx context.Context, from peer.ID, events []*event.Event) (fresh int, err error)
	// Committed: from says that it has committed everything up to f, a part of
	// its frontier. That is its word; f may name what is not here.
	Committed(from peer.ID, f event.Frontier)
	// Synced: a run with from is over, with both sides equal at that moment or
	// otherwise, and ended in order if they heard each other out. No kick is called
	// for: what can be tried again is.
	Synced(from peer.ID, equal, ended bool)
}

// Rooms is what this node has of rooms.
type Rooms interface {
	// Replica gives a room if p may be served its history; otherwise false,
	// and p is told no more than that. Unless he named the room, it is given only
	// if he may be told its ID.
	Replica(room event.Conversation, p peer.ID, named bool) (Replica, bool)
	// Partners lists the connected members of a room to sync with, the granted
	// ones and the longest known first.
	Partners(room event.Conversation) []peer.ID
	// NotServed hears that p does not serve us a room in which we serve him.
	NotServed(room event.Conversation, p peer.ID)
}

var (
	// ErrRefused marks what only a faulty or hostile peer can cause.
	ErrRefused = errors.New("refused")
	// ErrNotServed: the peer does not serve us this room.
	ErrNotServed = errors.New("the peer does not serve us this room")

	errBusy      = errors.New("a run about this room is under way")
	errNotEnding = errors.New("the run came to no end")
	errStopped   = errors.New("sync is not running")
)
