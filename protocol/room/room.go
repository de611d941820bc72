package room

import (
	"github.com/libp2p/go-libp2p/core/peer"

	"p2pchat/protocol/event"
)

// MaxIneffective is how many ineffective control events of one author, cited by
// nothing effective, are kept.
const MaxIneffective = 256

// Room is one room's constitution and what it says of the events handed in.
type Room struct {
	id      event.Conversation
	creator int
	first   Config // the genesis' configuration
	epoch   [32]byte

	controls []*control // along ctl; the genesis first
	byID     map[event.ID]*control
	acts     [][]int // by control: the acts issued under it
	people   []*person
	byPeer   map[peer.ID]int
	retracts map[event.ID][]int // by message
	setters  [fields][]int
	destroys []int
	tips     map[tip]int // how many stored cuts list it
	// refused remembers what cannot be stored, so that what cites it is not
	// waited for: no more than MaxIneffective per author.
	refused map[event.ID]bool

	all      view
	covered  bitset // effective events and their ancestors
	revision int    // of all; what was computed under another one is stale
	config   Config // now
	ended    *control
	digests  digests

	messages map[event.ID]*message
	logs     map[event.LogKey]*log
	pasts    map[string]*past
	unfolded []*past // a ring, from oldest on
	oldest   int
	subjects []*message
	epochs   []*message
	letIn    map[int]bool // of [Room.Admitted], since the last that was handed in

	archive Archive // nil: nothing was given up
	broken  error
	loose   int // messages since they were looked through
	kept    int // that could not be given up then
}

// New makes the room of a genesis event whose signature was verified.
func New(genesis *event.Event) (*Room, error) {
	if genesis.Lane != event.LaneControl || genesis.Kind != KindGenesis || len(genesis.Ctl) > 0 ||
		genesis.Conversation != (event.Conversation{}) || !genesis.HasBody() {
		return nil, malformed("no genesis")
	}
	g, err := DecodeGenesis(genesis.Body)
	if err != nil {
		return nil, malformed("genesis: %v", err)
	}
	r := &Room{
		id: event.Conversation(genesis.ID), first: defaultConfig(), epoch: g.Epoch,
		byID: map[event.ID]*control{}, byPeer: map[peer.ID]int{}, retracts: map[event.ID][]int{},
		tips: map[tip]int{}, refused: map[event.ID]bool{},
		messages: map[event.ID]*message{}, logs: map[event.LogKey]*log{}, pasts: map[string]*past{}, letIn: map[int]bool{},
	}
	for _, s := range g.Config {
		if s.known() {
			r.first[s.Field] = s
		}
	}
	r.creator = r.person(genesis.Author)
	c := &control{
		Op: Op{Kind: KindGenesis, Standing: Owner, Target: genesis.Author},
		id: genesis.ID, time: genesis.Time, author: r.creator, target: r.creator,
		key: power{rank: Owner}, conf: power{rank: Owner}, counts: true,
	}
	r.list(c)
	r.extend(&r.all, c)
	c.after = r.all.eff.clone()
	r.people[r.creator].outside++
	r.cover(c)
	r.config = r.first
	return r, nil
}

// ID is the room's ID: that of its genesis.
func (r *Room) ID() event.Conversation { return r.id }

// Creator is who made the room; nobody can touch his standing.
func (r *Room) Creator() peer.ID { return r.people[r.creator].id }

// Result is what became of one event handed in.
type Result struct {
	ID event.ID
	// Err is nil for an event that is now held, whether effective or visible or
	// not. Otherwise it is a *[Refusal], a *[MissingError] (hand it in again
	// when these are here), or wraps [ErrMalformed], [ErrAside],
	// [ErrSuperseded] or [ErrPruned].
	Err error
}

// Effects is what follows from events handed in. The caller persists the events
// held before it sends or shows anything that rests on them.
type Effects struct {
	Results []Result // one per event, in the order given
	// Governed lists control events that became effective or ceased to be,
	// in the order of their evaluation. The canonical state changed only if
	// there are any, or Visibility lists a subject.
	Governed []event.ID
	// People lists those who may have another standing, role or voice.
	// Everyone is set instead after a switch or the end of the room.
	People   []peer.ID
	Everyone bool
	// Visibility lists messages whose verdict changed or is new.
	Visibility []event.ID
	// Dropped lists messages that were held and no longer are: two with lower
	// IDs took their place.
	Dropped []event.ID
}
