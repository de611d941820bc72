package rooms

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-msgio/pbio"

	"p2pchat/protocol/event"
	"p2pchat/protocol/pb"
	"p2pchat/protocol/room"
)

const (
	browseWithin = 2 * time.Second
	// maxListed is how many rooms one peer may tell of, maxAskedAtOnce how many
	// are asked at a time.
	maxListed      = 1024
	maxAskedAtOnce = 32
	listedPerFrame = 32
)

// Listing is a room as its members describe it to others. All but the room's ID
// is their word.
type Listing struct {
	Room        event.Conversation
	Name        string
	Description string
	Subject     string
	Visible     bool
	MembersOnly bool
	Moderated   bool
	Password    bool
	Logging     bool
	Occupants   int
	Via         []peer.ID // who told, and so is in the room

	// Of a room that is no more: why, and the one to go to instead, zero if none
	// was named.
	Destroyed bool
	Reason    string
	Alternate event.Conversation
}

// Browse asks everybody connected which visible rooms they are in, or, if id is
// given, for that room alone, hidden or not. Rooms that are no more come apart,
// for whoever looks for one; those that somebody is still in are not among them.
// It takes up to [browseWithin].
func (s *Service) Browse(ctx context.Context, id *event.Conversation) (open, ended []Listing) {
	ctx, cancel := context.WithTimeout(ctx, browseWithin)
	defer cancel()
	var (
		wg    sync.WaitGroup
		mu    sync.Mutex
		found = map[event.Conversation]map[described]*Listing{}
		slots = make(chan struct{}, maxAskedAtOnce) // one for each question under way
	)
	for _, p := range s.cfg.Host.Network().Peers() {
		wg.Go(func() { // ends with the stream, which ctx bounds
			select {
			case slots <- struct{}{}:
				defer func() { <-slots }()
			case <-ctx.Done():
				return
			}
			rooms, err := s.browse(ctx, p, id)
			if err != nil {
				s.log.Debug("ask for rooms", "peer", p, "err", err)
			}
			mu.Lock()
			defer mu.Unlock()
			for _, l := range rooms {
				if found[l.Room] == nil {
					found[l.Room] = map[described]*Listing{}
				}
				how := l.described()
				if known := found[l.Room][how]; known != nil {
					known.Via = append(known.Via, p)
					known.Occupants = max(known.Occupants, l.Occupants)
					continue
				}
				l.Via = []peer.ID{p}
				found[l.Room][how] = &l
			}
		})
	}
	wg.Wait()
	for _, id := range slices.SortedFunc(maps.Keys(found), func(a, b event.Conversation) int { return event.ID(a).Compare(event.ID(b)) }) {
		gone := map[described]*Listing{}
		for how, l := range found[id] {
			if l.Destroyed {
				gone[how] = l
				delete(found[id], how)
			}
		}
		if len(found[id]) > 0 {
			open = append(open, agreed(found[id]))
		} else {
			ended = append(ended, agreed(gone))
		}
	}
	return open, ended
}

// described is what a listing says of a room, but for how many are in it.
type described struct {
	name, description, subject                         string
	visible, membersOnly, moderated, password, logging bool
	destroyed                                          bool
	reason                                             string
	alternate                                          event.Conversation
}

func (l *Listing) described() described {
	return described{
		l.Name, l.Description, l.Subject, l.Visible, l.MembersOnly, l.Moderated, l.Password, l.Logging,
		l.Destroyed, l.Reason, l.Alternate,
	}
}

// agreed is the listing that most of those who know the room give, so that one
// who lies does not rename it; all of them are in it, for all they say.
func agreed(variants map[described]*Listing) Listing {
	var best *Listing
	var via []peer.ID
	for _, l := range variants {
		slices.Sort(l.Via)
		via = append(via, l.Via...)
		if best == nil || len(l.Via) > len(best.Via) || len(l.Via) == len(best.Via) && l.Via[0] < best.Via[0] {
			best = l
		}
	}
	out := *best
	out.Via = slices.Sorted(slices.Values(via))
	return out
}

// browse asks one peer. What came before an error counts.
func (s *Service) browse(ctx context.Context, p peer.ID, id *event.Conversation) ([]Listing, error) {
	st, err := s.cfg.Host.NewStream(network.WithNoDial(ctx, "rooms"), p, DirectoryProtocol)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = st.Reset() })
	defer stop()
	defer func() { _ = st.Reset() }()
	_ = st.SetDeadline(time.Now().Add(streamWithin))
	q := &pb.DirectoryAsk{}
	if id != nil {
		q.Room = id[:]
	}
	if err := pbio.NewDelimitedWriter(st).WriteMsg(q); err != nil {
		return nil, err
	}
	r := pbio.NewDelimitedReader(st, maxFrame)
	var out []Listing
	told := map[event.Conversation]bool{} // one voice each
	for {
		var a pb.DirectoryAnswer
		if err := r.ReadMsg(&a); errors.Is(err, io.EOF) {
			return out, nil
		} else if err != nil {
			return out, err
		}
		for _, w := range a.Rooms {
			l, err := listing(w)
			if err != nil {
				return out, err
			}
			if id != nil && l.Room != *id {
				return out, fmt.Errorf("told of a room that was not asked for")
			}
			if told[l.Room] {
				return out, fmt.Errorf("told of a room twice")
			}
			told[l.Room] = true
			if out = append(out, l); len(out) > maxListed {
				return out[:maxListed], fmt.Errorf("told of more than %d rooms", maxListed)
			}
		}
	}
}

// listing reads an entry; its genesis is verified, so that nobody invents IDs.
func listing(w *pb.RoomEntry) (Listing, error) {
	e, err := event.FromWire(w.GetGenesis())
	if err != nil {
		return Listing{}, err
	}
	if err := e.Verify(); err != nil {
		return Listing{}, err
	}
	rules, err := room.New(e)
	if err != nil {
		return Listing{}, err
	}
	for _, t := range []string{w.GetName(), w.GetDescription(), w.GetSubject()} {
		if len(t) > room.MaxDescription || !utf8.ValidString(t) {
			return Listing{}, errors.New("a text of a listing is malformed")
		}
	}
	for _, m := range w.Ending {
		act, err := event.FromWire(m)
		if err == nil {
			err = act.Verify()
		}
		if err != nil {
			return Listing{}, err
		}
		rules.AddControl(act)
	}
	ended, reason, alternate := rules.Ended()
	if !ended && len(w.Ending) > 0 {
		return Listing{}, errors.New("what is said to have ended a room did not")
	}
	return Listing{
		Room: event.Conversation(e.ID), Name: w.Name, Description: w.Description, Subject: w.Subject, Visible: w.Visible,
		MembersOnly: w.MembersOnly, Moderated: w.Moderated, Password: w.Password, Logging: w.Logging, Occupants: int(w.Occupants),
		Destroyed: ended, Reason: reason, Alternate: alternate,
	}, nil
}

// serveDirectory tells of the visible rooms we are in, or of the one that is
// named.
func (s *Service) serveDirectory(st network.Stream) {
	s.serve(st, func(ctx context.Context, _ peer.ID) error {
		var q pb.DirectoryAsk
		if err := pbio.NewDelimitedReader(st, maxAsk).ReadMsg(&q); err != nil {
			return err
		}
		w := pbio.NewDelimitedWriter(st)
		a := &pb.DirectoryAnswer{}
		told := 0
		for _, r := range s.Rooms() {
			if len(q.Room) > 0 && string(q.Room) != string(r.id[:]) {
				continue
			}
			entry, err := r.entry(ctx, len(q.Room) > 0)
			if err != nil {
				return err
			}
			if entry == nil || told == maxListed {
				continue
			}
			told++
			if a.Rooms = append(a.Rooms, entry); len(a.Rooms) == listedPerFrame {
				if err := w.WriteMsg(a); err != nil {
					return err
				}
				a = &pb.DirectoryAnswer{}
			}
		}
		if len(a.Rooms) == 0 {
			return nil
		}
		return w.WriteMsg(a)
	})
}

// entry is the room as the directory tells of it, nil if it does not.
func (r *Room) entry(ctx context.Context, named bool) (*pb.RoomEntry, error) {
	var entry *pb.RoomEntry
	var err error
	e := r.do(ctx, func() {
		info := r.info()
		if !named && !info.Config.Visible() || !info.Destroyed && (!info.In || info.Dying) {
			return
		}
		entry = &pb.RoomEntry{
			Genesis: r.genesis.Wire(), Name: info.Config.Name(), Description: info.Config.Description(), Subject: info.Subject,
			Visible: info.Config.Visible(), MembersOnly: info.Config.MembersOnly(), Moderated: info.Config.Moderated(),
			Password: info.Config.Password() > 0, Occupants: uint32(info.Occupants), Logging: info.Config.Logging(),
		}
		if info.Destroyed {
			if entry.Ending, err = r.endingNow(ctx); err != nil || len(entry.Ending) == 0 {
				entry = nil
			}
		}
	})
	return entry, cmp.Or(e, err)
}

// maxEnding bounds, in bytes, what is told of the end of one room: many are told
// of in a frame, and where it takes more, those who ask are not told.
const maxEnding = maxFrame / listedPerFrame / 2

// endingNow is what ended the room, for those who were not in it: the acts, with
// what they cite, so that nobody need believe it. It is read once.
func (r *Room) endingNow(ctx context.Context) ([]*pb.Event, error) {
	if root := r.rules.Root(); r.ending.root != root || r.ending.events == nil {
		ids := slices.DeleteFunc(r.rules.Ending(), func(id event.ID) bool { return id == r.genesis.ID })
		events, err := r.svc.cfg.Store.EventsByID(ctx, ids, maxEnding)
		if err != nil {
			return nil, err
		}
		r.ending.root, r.ending.events = root, []*pb.Event{}
		if len(events) == len(ids) {
			for _, e := range events {
				r.ending.events = append(r.ending.events, e.Wire())
			}
		}
	}
	return r.ending.events, nil
}
