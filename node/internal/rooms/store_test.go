package rooms

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"p2pchat/protocol/envelope"
	"p2pchat/protocol/event"
	"p2pchat/protocol/identity"
	"p2pchat/protocol/room"
)

// disk is a Store and a Ledger in memory. It outlives the services that use it,
// as a database outlives a process.
type disk struct {
	key identity.Key

	mu      sync.Mutex
	fails   map[string]error // by method: what it returns, having done nothing
	calls   map[string]int   // of methods
	slow    time.Duration    // what a commit takes
	clock   event.Time
	members map[event.Conversation]Membership
	rooms   map[event.Conversation]*stored
}

// stored is what a disk holds of a room.
type stored struct {
	own      event.LogKey
	control  []*event.Event
	messages []*event.Event // by log, then seq, then ID
	verdicts map[event.ID]room.Status
	commits  []Batch
	keys     map[event.ID]envelope.Key
	lows     map[event.LogKey]uint64
	lines    []room.Line
	admitted []peer.ID
	secret   []byte
	password uint64
	acks     map[peer.ID]event.Frontier
}

func newDisk(key identity.Key) *disk {
	return &disk{
		key: key, fails: map[string]error{}, calls: map[string]int{}, members: map[event.Conversation]Membership{},
		rooms: map[event.Conversation]*stored{},
	}
}

// begin counts a call; what it returns unlocks.
func (d *disk) begin(method string) (done func(), err error) {
	d.mu.Lock()
	if slow := d.slow; slow > 0 && method == "Commit" {
		d.mu.Unlock()
		time.Sleep(slow)
		d.mu.Lock()
	}
	d.calls[method]++
	return d.mu.Unlock, d.fails[method]
}

func (d *disk) fail(method string, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.fails[method] = err
}

func (d *disk) called(method string) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.calls[method]
}

func (d *disk) of(id event.Conversation) *stored {
	r := d.rooms[id]
	if r == nil {
		log := event.LogID{1, byte(len(d.rooms))}
		r = &stored{
			own: event.LogKey{Author: d.key.ID(), Log: log}, verdicts: map[event.ID]room.Status{}, keys: map[event.ID]envelope.Key{},
			lows: map[event.LogKey]uint64{}, acks: map[peer.ID]event.Frontier{},
		}
		d.rooms[id] = r
	}
	return r
}

func (r *stored) insert(e *event.Event) {
	list, order := &r.control, func(*event.Event, *event.Event) int { return 1 }
	if e.Lane == event.LaneMessage {
		list = &r.messages
		order = func(a, b *event.Event) int {
			return cmp.Or(a.Key().Compare(b.Key()), cmp.Compare(a.Seq, b.Seq), a.ID.Compare(b.ID))
		}
	}
	if i := slices.IndexFunc(*list, func(o *event.Event) bool { return o.ID == e.ID }); i >= 0 {
		if !(*list)[i].HasBody() {
			(*list)[i] = e
		}
		return
	}
	at := len(*list)
	if e.Lane == event.LaneMessage {
		at, _ = slices.BinarySearchFunc(*list, e, order)
	}
	*list = slices.Insert(*list, at, e)
}

func (r *stored) frontier() event.Frontier {
	f := event.Frontier{}
	for k, low := range r.lows {
		f[k] = event.Head{Seq: low - 1}
	}
	for _, e := range r.messages {
		if e.Seq == f[e.Key()].Seq+1 {
			f[e.Key()] = event.Head{Seq: e.Seq, ID: e.ID}
		}
	}
	return f
}

// Store.

func (d *disk) Memberships(context.Context) ([]Membership, error) {
	done, err := d.begin("Memberships")
	defer done()
	return slices.Collect(maps.Values(d.members)), err
}

func (d *disk) PutMembership(_ context.Context, m Membership) error {
	done, err := d.begin("PutMembership")
	defer done()
	if err == nil {
		m.Present = d.members[m.Room].Present
		d.members[m.Room] = m
	}
	return err
}

func (d *disk) PutPresent(_ context.Context, id event.Conversation, at time.Time) error {
	done, err := d.begin("PutPresent")
	defer done()
	if m := d.members[id]; err == nil {
		m.Present = at
		d.members[id] = m
	}
	return err
}

func (d *disk) Enter(_ context.Context, m Membership, control []*event.Event, keys map[event.ID]envelope.Key, below []Below, joins []*event.Event) error {
	done, err := d.begin("Enter")
	defer done()
	if err != nil {
		return err
	}
	d.members[m.Room] = m
	r := d.of(m.Room)
	for _, e := range control {
		r.insert(e)
	}
	for _, e := range joins {
		r.insert(e)
		r.verdicts[e.ID] = room.Waiting
	}
	maps.Copy(r.keys, keys)
	for _, b := range below {
		r.lows[b.LogKey] = b.Seq + 1
	}
	return nil
}

func (d *disk) Controls(_ context.Context, id event.Conversation) ([]*event.Event, error) {
	done, err := d.begin("Controls")
	defer done()
	return slices.Clone(d.of(id).control), err
}

func (d *disk) EachPiece(_ context.Context, id event.Conversation, f func(*room.Line, *event.Event, room.Status) error) error {
	done, err := d.begin("EachPiece")
	r := d.of(id)
	all, verdicts, lines := slices.Clone(r.messages), maps.Clone(r.verdicts), slices.Clone(r.lines)
	done()
	for _, e := range all {
		line := slices.IndexFunc(lines, func(l room.Line) bool { return l.LogKey == e.Key() && l.First <= e.Seq && e.Seq <= l.Last })
		switch {
		case err != nil:
		case line < 0:
			err = f(nil, e, verdicts[e.ID])
		case lines[line].First == e.Seq:
			err = f(&lines[line], nil, lines[line].Verdict.Status)
		}
	}
	return err
}

func (d *disk) PutLines(_ context.Context, id event.Conversation, lines []room.Line) error {
	done, err := d.begin("PutLines")
	defer done()
	if err == nil {
		d.of(id).lines = lines
	}
	return err
}

// spoil forgets the line that message id is in.
func (r *stored) spoil(id event.ID) {
	for _, e := range r.messages {
		if e.ID == id {
			r.lines = slices.DeleteFunc(slices.Clone(r.lines), func(l room.Line) bool {
				return l.LogKey == e.Key() && l.First <= e.Seq && e.Seq <= l.Last
			})
		}
	}
}

func (d *disk) SetVerdicts(_ context.Context, verdicts map[event.ID]room.Status) error {
	done, err := d.begin("SetVerdicts")
	defer done()
	for _, r := range d.rooms {
		for id, v := range verdicts {
			if _, here := r.verdicts[id]; here {
				r.spoil(id)
				r.verdicts[id] = v
			}
		}
	}
	return err
}

func (d *disk) EventsByID(_ context.Context, ids []event.ID, limit int) ([]*event.Event, error) {
	done, err := d.begin("EventsByID")
	defer done()
	held := map[event.ID]*event.Event{}
	for _, r := range d.rooms {
		for _, e := range slices.Concat(r.control, r.messages) {
			held[e.ID] = e
		}
	}
	var out []*event.Event
	size := 0
	for _, id := range ids {
		if e := held[id]; e != nil {
			if size += e.Size(); size > limit && len(out) > 0 {
				break
			}
			out = append(out, e)
		}
	}
	return out, err
}

func (d *disk) Latest(_ context.Context, id event.Conversation, n int) ([]*event.Event, error) {
	done, err := d.begin("Latest")
	defer done()
	r := d.of(id)
	out := slices.DeleteFunc(slices.Clone(r.messages), func(e *event.Event) bool { return r.verdicts[e.ID] != room.Visible })
	slices.SortFunc(out, func(a, b *event.Event) int {
		if a.Before(b) {
			return -1
		}
		return 1
	})
	return out[max(0, len(out)-n):], err
}

func (d *disk) Line(_ context.Context, id event.Conversation, rg event.Range) ([]*event.Event, error) {
	done, err := d.begin("Line")
	defer done()
	var out []*event.Event
	r := d.of(id)
	for _, e := range r.messages {
		if e.Key() == rg.LogKey && rg.From <= e.Seq && e.Seq <= rg.To && r.verdicts[e.ID] != Refused {
			out = append(out, e)
		}
	}
	return out, err
}

func (d *disk) Message(_ context.Context, id event.Conversation, x event.ID) (*event.Event, error) {
	done, err := d.begin("Message")
	defer done()
	r := d.of(id)
	for _, e := range r.messages {
		if e.ID == x && r.verdicts[e.ID] != Refused {
			return e, err
		}
	}
	return nil, err
}

func (d *disk) LacksBody(_ context.Context, x event.ID) (bool, error) {
	done, err := d.begin("LacksBody")
	defer done()
	for _, r := range d.rooms {
		for _, e := range r.messages {
			if e.ID == x {
				return !e.HasBody(), err
			}
		}
	}
	return false, err
}

func (d *disk) Bodiless(_ context.Context, id event.Conversation, after event.ID, limit int) ([]event.ID, error) {
	done, err := d.begin("Bodiless")
	defer done()
	var out []event.ID
	for _, e := range d.of(id).messages { // what takes back is the store's matter
		if e.Kind.Amendable() && !e.HasBody() && e.ID.Compare(after) > 0 {
			out = append(out, e.ID)
		}
	}
	slices.SortFunc(out, event.ID.Compare)
	return out[:min(limit, len(out))], err
}

func (d *disk) TakesLog(_ context.Context, id event.Conversation, k event.LogKey) (bool, error) {
	done, err := d.begin("TakesLog")
	defer done()
	logs := map[event.LogKey]bool{}
	for _, e := range d.of(id).messages {
		if e.Author == k.Author {
			logs[e.Key()] = true
		}
	}
	return logs[k] || len(logs) < event.MaxLogs, err
}

func (d *disk) Lows(_ context.Context, id event.Conversation) (map[event.LogKey]uint64, error) {
	done, err := d.begin("Lows")
	defer done()
	return maps.Clone(d.of(id).lows), err
}

func (d *disk) Prune(context.Context, event.Conversation, event.LogKey, uint64) error {
	return errors.ErrUnsupported // what stays is the store's matter
}

func (d *disk) Newest(_ context.Context, id event.Conversation, n uint64, since time.Time) ([]Below, error) {
	done, err := d.begin("Newest")
	defer done()
	r := d.of(id)
	f := r.frontier()
	var texts []*event.Event
	for _, e := range r.messages {
		if e.Kind == event.KindText && (since.IsZero() || !e.Time.Wall().Before(since)) {
			texts = append(texts, e)
		}
	}
	slices.SortFunc(texts, func(a, b *event.Event) int { return b.Time.Wall().Compare(a.Time.Wall()) })
	if since.IsZero() {
		texts = texts[:min(len(texts), int(n))]
	}
	var out []Below
	for _, k := range f.Keys() {
		h := f[k]
		for _, e := range texts {
			if e.Key() == k {
				h.Seq = min(h.Seq, e.Seq-1)
			}
		}
		for _, e := range r.messages {
			if e.Key() == k && e.Seq == h.Seq {
				h.ID = e.ID
				out = append(out, Below{k, h})
			}
		}
	}
	return out, err
}

func (d *disk) Keys(_ context.Context, id event.Conversation) (map[event.ID]envelope.Key, error) {
	done, err := d.begin("Keys")
	defer done()
	return maps.Clone(d.of(id).keys), err
}

func (d *disk) PutKeys(_ context.Context, id event.Conversation, keys map[event.ID]envelope.Key) error {
	done, err := d.begin("PutKeys")
	defer done()
	if err == nil {
		maps.Copy(d.of(id).keys, keys)
	}
	return err
}

func (d *disk) Admitted(_ context.Context, id event.Conversation) ([]peer.ID, error) {
	done, err := d.begin("Admitted")
	defer done()
	return slices.Clone(d.of(id).admitted), err
}

func (d *disk) PutAdmitted(_ context.Context, id event.Conversation, people []peer.ID) error {
	done, err := d.begin("PutAdmitted")
	defer done()
	if err == nil {
		r := d.of(id)
		r.admitted = append(r.admitted, people...)
	}
	return err
}

func (d *disk) Secret(_ context.Context, id event.Conversation) (uint64, []byte, error) {
	done, err := d.begin("Secret")
	defer done()
	return d.of(id).password, d.of(id).secret, err
}

func (d *disk) PutSecret(_ context.Context, id event.Conversation, generation uint64, sealed []byte) error {
	done, err := d.begin("PutSecret")
	defer done()
	if err == nil {
		d.of(id).password, d.of(id).secret = generation, sealed
	}
	return err
}

func (d *disk) Frontier(_ context.Context, id event.Conversation) (event.Frontier, error) {
	done, err := d.begin("Frontier")
	defer done()
	return d.of(id).frontier(), err
}

func (d *disk) Range(_ context.Context, id event.Conversation, rg event.Range, limit int) ([]*event.Event, error) {
	done, err := d.begin("Range")
	defer done()
	var out []*event.Event
	for _, e := range d.of(id).messages {
		if e.Key() == rg.LogKey && rg.From <= e.Seq && e.Seq <= rg.To {
			if limit -= e.Size(); limit < 0 && len(out) > 0 {
				break
			}
			out = append(out, e)
		}
	}
	return out, err
}

func (d *disk) Acks(_ context.Context, id event.Conversation) (map[peer.ID]event.Frontier, error) {
	done, err := d.begin("Acks")
	defer done()
	return maps.Clone(d.of(id).acks), err
}

func (d *disk) PutAcks(_ context.Context, id event.Conversation, acks map[peer.ID]event.Frontier) error {
	done, err := d.begin("PutAcks")
	defer done()
	if err == nil {
		maps.Copy(d.of(id).acks, acks)
	}
	return err
}

// Ledger.

// texts lists what is said visibly in a room, in the order of its log.
func (d *disk) texts(id event.Conversation) []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	r := d.of(id)
	all := slices.Clone(r.messages)
	slices.SortStableFunc(all, func(a, b *event.Event) int {
		if a.Before(b) {
			return -1
		}
		return 1
	})
	var out []string
	for _, e := range all {
		if t, err := event.DecodeText(e.Body); err == nil && e.Kind == event.KindText && r.verdicts[e.ID] == room.Visible {
			out = append(out, t)
		}
	}
	return out
}

// verdict is that on an event as stored.
func (d *disk) verdict(e *event.Event) room.Status {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.of(e.Conversation).verdicts[e.ID]
}

// batches lists what was committed of others' events.
func (d *disk) batches(id event.Conversation) []Batch {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.of(id).commits)
}
