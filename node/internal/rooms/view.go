package rooms

import (
	"cmp"
	"context"
	"crypto/sha256"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"p2pchat/protocol/event"
	"p2pchat/protocol/room"
)

// Info is a room at one moment.
type Info struct {
	Room      event.Conversation
	Config    room.Config
	Subject   string
	Occupants int
	Joined    bool // as far as this account is concerned
	In        bool // and as far as the rules are
	Nick      string
	Standing  room.Standing
	Role      room.Role
	Destroyed bool
	Dying     bool // a temporary room that nobody was in for a day; nobody came back yet
}

// Info is the room now.
func (r *Room) Info(ctx context.Context) (Info, error) {
	var i Info
	err := r.do(ctx, func() { i = r.info() })
	return i, err
}

func (r *Room) info() Info {
	i := infoOf(r.rules, r.svc.self, len(r.shown))
	i.Dying = !i.Config.Persistent() && !r.life.since.IsZero()
	i.Joined, i.In, i.Nick = r.joined, r.joined && r.isOccupant(r.svc.self), r.nick
	return i
}

func infoOf(rules *room.Room, self peer.ID, occupants int) Info {
	topic, _ := rules.Topic()
	ended, _, _ := rules.Ended()
	return Info{
		Room: rules.ID(), Config: rules.Config(), Subject: topic.Text, Occupants: occupants,
		Standing: rules.Standing(self), Role: rules.Role(self), Destroyed: ended,
	}
}

// Gone lists those who were in the room and are not now, see [room.Room.Gone].
func (r *Room) Gone(ctx context.Context) ([]room.Occupant, error) {
	var out []room.Occupant
	err := r.do(ctx, func() { out = r.rules.Gone() })
	return out, err
}

// Members lists those who joined and did not leave, by peer ID.
func (r *Room) Members(ctx context.Context) ([]Member, error) {
	var out []Member
	err := r.do(ctx, func() {
		for _, m := range r.shown {
			out = append(out, r.member(m.Occupant))
		}
	})
	slices.SortFunc(out, func(a, b Member) int { return cmp.Compare(a.Peer, b.Peer) })
	return out, err
}

// Entry is what we are in the room; the role of who is not in it is none.
func (r *Room) Entry(ctx context.Context) (room.Standing, room.Role, error) {
	i, err := r.Info(ctx)
	if !i.In {
		i.Role = room.Nobody
	}
	return i.Standing, i.Role, err
}

// State is the room's state.
func (r *Room) State(ctx context.Context) (room.State, error) {
	var s room.State
	err := r.do(ctx, func() { s = r.rules.State() })
	return s, err
}

// Aside is what the rules say of an event that is shown.
type Aside struct {
	Nick string // its author's when he said it
	Idle bool   // a control event without effect
}

// Asides says it of each of events.
func (r *Room) Asides(ctx context.Context, events []*event.Event) ([]Aside, error) {
	var out []Aside
	err := r.do(ctx, func() { out = asides(r.rules, events) })
	return out, err
}

func asides(rules *room.Room, events []*event.Event) []Aside {
	out := make([]Aside, len(events))
	for i, e := range events {
		out[i] = Aside{Nick: rules.NickAt(e), Idle: e.Lane == event.LaneControl && rules.Idle(e.ID)}
	}
	return out
}

// Status is how the room is doing.
type Status struct {
	Peers    []peer.ID // connected, and in the topic
	Members  int
	Present  int
	Epoch    event.ID // zero if none can be sent under
	Keys     int
	Root     [32]byte
	Digest   [32]byte
	Messages uint64
	Parked   int
	LastSync time.Time
	InStep   []peer.ID
	Gaps     bool // some log has one
}

// Status is how the room is doing now.
func (r *Room) Status(ctx context.Context) (Status, error) {
	front, err := r.svc.cfg.Store.Frontier(ctx, r.id)
	if err != nil {
		return Status{}, err
	}
	s := Status{Peers: r.TopicPeers()}
	for _, h := range front {
		s.Messages += h.Seq
	}
	err = r.do(ctx, func() {
		s.Members, s.Keys, s.Root = len(r.shown), len(*r.keys.Load()), r.rules.Root()
		s.Epoch, _, _ = r.epoch()
		s.Present = r.presentCount("")
		s.Parked = r.parked.len() + len(r.stash.all)
		s.LastSync = r.lastSync
		for p := range r.inStep {
			s.InStep = append(s.InStep, p)
		}
		for k, top := range r.rules.Tops() {
			s.Gaps = s.Gaps || top > front[k].Seq
		}
	})
	slices.Sort(s.InStep)
	f := front.Digest()
	s.Digest = sha256.Sum256(append(s.Root[:], f[:]...))
	return s, err
}

// TopicPeers lists the connected peers that are in the topic too.
func (r *Room) TopicPeers() []peer.ID {
	t := r.topic.Load()
	if t == nil {
		return nil
	}
	out := (*t).Peers()
	slices.Sort(out)
	return out
}

// rank orders whom to sync with.
type rank struct {
	standing room.Standing
	joined   int
}

// rankPeople publishes who is in the room, for those who cannot wait for its
// goroutine.
func (r *Room) rankPeople() {
	ranks := make(map[peer.ID]rank, len(r.shown))
	for i, p := range r.rules.ByJoin() {
		if m, in := r.shown[p]; in {
			ranks[p] = rank{max(m.Standing, room.None), i}
		}
	}
	r.ranks.Store(&ranks)
}

// Partners lists connected members to sync with: those with a standing first,
// then whoever joined first, so that a crowd of strangers does not come between.
// It does not wait for the room, whose business may be another's flood.
func (r *Room) Partners() []peer.ID {
	ranks := *r.ranks.Load()
	peers := slices.DeleteFunc(r.TopicPeers(), func(p peer.ID) bool {
		_, in := ranks[p]
		return !in
	})
	slices.SortFunc(peers, func(a, b peer.ID) int {
		return cmp.Or(cmp.Compare(ranks[b].standing, ranks[a].standing), cmp.Compare(ranks[a].joined, ranks[b].joined), cmp.Compare(a, b))
	})
	return peers
}

// Stored reads a room without a running service.
func Stored(ctx context.Context, st Store, self peer.ID, m Membership) (*StoredRoom, error) {
	cfg := Config{Store: readOnly{st}, Away: func() bool { return false }, CompactAfter: compactAfter}
	r := &Room{
		svc: &Service{cfg: cfg, self: self}, id: m.Room, joined: m.Joined, nick: m.Nick, shown: map[peer.ID]Member{},
	}
	if err := r.reload(ctx); err != nil {
		return nil, err
	}
	return &StoredRoom{r}, nil
}

// readOnly leaves verdicts and lines as they are stored.
type readOnly struct{ Store }

func (readOnly) SetVerdicts(context.Context, map[event.ID]room.Status) error { return nil }

func (readOnly) PutLines(context.Context, event.Conversation, []room.Line) error { return nil }

// StoredRoom is a room as the store has it; nobody is present.
type StoredRoom struct{ r *Room }

// ID is the room's ID.
func (s *StoredRoom) ID() event.Conversation { return s.r.id }

// Info is the room as stored.
func (s *StoredRoom) Info() Info { return s.r.info() }

// Members lists those who joined and did not leave, by peer ID.
func (s *StoredRoom) Members() []Member {
	var out []Member
	for _, o := range s.r.rules.Occupants() {
		out = append(out, Member{Occupant: o})
	}
	return out
}

// State is the room's state as stored.
func (s *StoredRoom) State() room.State { return s.r.rules.State() }

// Nick says how p calls himself here.
func (s *StoredRoom) Nick(p peer.ID) string { return s.r.rules.Nick(p) }

// Asides says of each of events what the rules do.
func (s *StoredRoom) Asides(events []*event.Event) []Aside { return asides(s.r.rules, events) }

// Audit lists what was done in the room.
func (s *StoredRoom) Audit(name func(peer.ID) string) []room.Decision { return s.r.rules.Audit(name) }
