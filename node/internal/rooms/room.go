package rooms

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"p2pchat/protocol/envelope"
	"p2pchat/protocol/event"
	"p2pchat/protocol/pb"
	"p2pchat/protocol/room"
)

// Room is a room we are in, or were.
type Room struct {
	svc *Service
	id  event.Conversation
	log *slog.Logger
	// genesis is told to whoever asks for rooms.
	genesis *event.Event

	work  chan func()   // what others ask of the goroutine; see workSize
	ended chan struct{} // closed when it has ended

	// Arrivals and words wait here, so that a batch takes all there is.
	queue struct {
		sync.Mutex
		arrivals []arrival
		bytes    int
		words    []*word
		acked    bool    // somebody holds more of our logs
		doubted  peer.ID // says that he holds of our logs what is not here
	}
	waiting chan struct{} // 1: one signal covers any number

	acks acks
	// keys are those held, by epoch; replaced as a whole, since validators
	// read them.
	keys atomic.Pointer[map[event.ID]envelope.Key]
	// topic is where we follow, nil where we don't.
	topic   atomic.Pointer[Topic]
	leaving bool // the goroutine's: the topic is being left
	ranks   atomic.Pointer[map[peer.ID]rank]

	// What follows belongs to the goroutine.
	rules   *room.Room
	lows    map[event.LogKey]uint64 // the first seq wanted of a log; never changed
	own     event.LogKey
	unsound bool                  // the rules hold what is not stored
	rests   time.Time             // until then nothing is taken in
	opened  map[event.LogKey]bool // logs of which something is held
	opens   map[peer.ID]int       // how many by each author
	joined  bool                  // as far as this account is concerned
	nick    string
	surplus map[event.LogKey]bool // logs that were turned down, their authors having too many
	ending  struct {              // what the directory tells of a destroyed room
		root   [32]byte
		events []*pb.Event
	}
	bare     bool      // there may be messages held without their body that nothing took back
	lastSaid time.Time // for slow mode
	pending  *grant    // what let us in, until our join says so
	people   map[peer.ID]*presence
	shown    map[peer.ID]Member // who joined and did not leave, as told to the handler
	parked   parking
	stash    stash
	outbox   []*event.Event
	// published is when the last events went out; publishing tells that the
	// next are scheduled.
	published  time.Time
	publishing bool
	announced  time.Time
	announcing *time.Timer
	asked      map[peer.ID]time.Time // for missing keys and events
	told       map[peer.ID]time.Time // what put them out
	shownTo    map[peer.ID]time.Time // that we know the password, see showPassword
	lastSync   time.Time
	inStep     map[peer.ID]bool
	toldTopic  map[peer.ID]event.ID  // the subject that somebody was told last, see tellTopic
	letIn      map[peer.ID]bool      // who passed the password step here, or was in before there was one
	letInAt    map[peer.ID]time.Time // when, since this node started
	atDoor     map[peer.ID]time.Time // when, before there is a password, until one comes
	life       lifetime
	secrets    []secret          // of passwords, each kept later than the one before
	unstored   bool              // they are not stored as they are
	guarded    bool              // the room has a password
	fetching   map[event.ID]bool // epochs whose keys are looked for
	sought     map[event.ID]time.Time
	// epochsKnown is what the rules said of epochs; nil if it has to be asked.
	epochsKnown []room.EpochKey
	renewing    bool      // a new epoch is due
	showing     int       // showPassword: how many are under way
	shownLast   time.Time // and when a stranger was shown it
	// inTurn are those who are to be shown it when a stranger may be, see showPassword.
	inTurn      map[peer.ID]bool
	askedBetter time.Time // see wantSecret
	betterPause time.Duration
	// askingSecret: the secret of a new password is asked for.
	askingSecret bool
}

const (
	// workSize has room for a few faces and streams that ask at once; more wait.
	workSize = 64
	// maxQueue bounds what gossip may leave waiting, in bytes; what is dropped
	// sync repairs.
	maxQueue = 8 << 20
	// maxBatch bounds what one commit takes, in bytes.
	maxBatch = 2 << 20
	// loadBatch is how many messages are judged at once while loading.
	loadBatch = 4096
)

// ID is the room's ID.
func (r *Room) ID() event.Conversation { return r.id }

// run is the room's goroutine.
func (r *Room) run(ctx context.Context) {
	defer close(r.ended)
	r.begin(ctx)
	tick := time.NewTicker(tickEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			r.end()
			return
		case f := <-r.work:
			f()
		case <-r.waiting:
			r.takeWaiting(ctx)
		case <-tick.C:
			r.tick(time.Now())
		}
	}
}

// begin finishes what a crash broke off, and follows the room if we are in it.
func (r *Room) begin(ctx context.Context) {
	r.putOut()
	last, spoke := r.rules.LastWord(r.svc.self)
	switch {
	case !r.joined && r.isOccupant(r.svc.self) && r.lasts():
		if err := r.sayLeave(ctx); err != nil {
			r.log.Warn("leave", "err", err)
		}
	case !r.joined || r.isOccupant(r.svc.self) || spoke && last.Kind != room.KindLeave:
	case r.guarded && r.pending == nil && !r.rules.Admitted(r.svc.self) && len(r.others()) > 0:
		// Without the word of who let us in nobody else would believe our join.
		if err := r.remember(ctx, false, r.nick); err != nil {
			r.log.Warn("enter again", "err", err)
		}
	default:
		if err := r.sayJoin(ctx, r.nick, r.pending); err != nil {
			r.log.Warn("join again", "err", err)
		}
	}
	if !r.following() {
		return
	}
	if err := r.follow(); err != nil {
		r.log.Warn("join the topic", "err", err)
	}
}

// lasts tells whether the room outlives its last occupant.
func (r *Room) lasts() bool {
	cfg := r.rules.Config()
	return cfg.Persistent()
}

// end says goodbye: it goes out if it can.
func (r *Room) end() {
	if r.announcing != nil {
		r.announcing.Stop()
	}
	if r.life.seen.After(r.life.noted) {
		r.notePresent(context.WithoutCancel(r.svc.ctx))
	}
	if t := r.topic.Swap(nil); t != nil {
		ctx, cancel := context.WithTimeout(context.Background(), goodbyeWithin) //nolint:contextcheck // the room's own has ended
		defer cancel()
		r.flush(ctx, *t)
		r.sayPresence(ctx, *t, true)
		r.leaveTopic(*t)
		r.svc.cfg.Sync.Forget(r.id)
	}
}

// leaveTopic has the topic left by another goroutine: it waits for calls that
// may be waiting for this one.
func (r *Room) leaveTopic(t Topic) {
	r.leaving = true
	r.svc.wg.Go(func() { // ends once no call is under way
		if err := t.Leave(); err != nil {
			r.log.Debug("leave the topic", "err", err)
		}
		r.post(r.topicLeft)
	})
}

// topicLeft follows the room again if that was wanted meanwhile.
func (r *Room) topicLeft() {
	r.leaving = false
	clear(r.people) // what the topic told last
	if r.following() {
		if err := r.follow(); err != nil {
			r.log.Warn("join the topic again", "err", err)
		}
	}
}

// following tells whether we take part: we are in the room, nobody has heard yet
// that we left, or it was destroyed while we were in it, which those who were
// away are still to hear.
func (r *Room) following() bool { return r.joined || r.farewell() || r.over() }

// over tells whether we were in the room to its end.
func (r *Room) over() bool {
	ended, _, _ := r.rules.Ended()
	last, spoke := r.rules.LastWord(r.svc.self)
	return ended && spoke && last.Kind == room.KindJoin
}

// farewell tells whether our leaving is still to be heard: by anybody, and by
// everybody in the room who is connected now.
func (r *Room) farewell() bool {
	if r.joined {
		return false
	}
	last, ok := r.rules.LastWord(r.svc.self)
	if !ok || last.Kind != room.KindLeave || len(r.others()) == 0 {
		return false
	}
	if !r.acks.any(last.LogKey, last.Seq) {
		return true
	}
	for _, p := range r.TopicPeers() {
		if r.isOccupant(p) && !r.acks.has(p, last.LogKey, last.Seq) {
			return true
		}
	}
	return false
}

// follow joins the topic and has the room synced. A topic that is being left is
// joined once it is.
func (r *Room) follow() error {
	if r.topic.Load() != nil || r.leaving {
		return nil
	}
	t, err := r.svc.cfg.Gossip.Join(envelope.Topic(r.id), topicHandler{r})
	if err != nil {
		return err
	}
	r.topic.Store(&t)
	r.svc.cfg.Sync.Follow(r.id)
	if len(r.outbox) > 0 {
		r.publishSoon()
	}
	return nil
}

// unfollow leaves the topic.
func (r *Room) unfollow() {
	if t := r.topic.Swap(nil); t != nil {
		r.leaveTopic(*t)
	}
	r.svc.cfg.Sync.Forget(r.id)
	clear(r.people)
}

// do has the goroutine call f and waits for it. Error: ErrClosed, or that of
// ctx, and then f is not called.
func (r *Room) do(ctx context.Context, f func()) error {
	done := make(chan struct{})
	select {
	case r.work <- func() { defer close(done); f() }:
	case <-ctx.Done():
		return ctx.Err()
	case <-r.ended:
		return ErrClosed
	}
	select {
	case <-done:
		return nil
	case <-r.ended:
		select {
		case <-done:
			return nil
		default:
			return ErrClosed
		}
	}
}

// post has the goroutine call f some time, unless it ends before.
func (r *Room) post(f func()) {
	select {
	case r.work <- f:
	case <-r.ended:
	}
}

// signal says that something waits in the queue.
func (r *Room) signal() {
	select {
	case r.waiting <- struct{}{}:
	default:
	}
}

// takeWaiting does what waits in the queue: first what others say, so that what
// we say cites it.
func (r *Room) takeWaiting(ctx context.Context) {
	r.queue.Lock()
	arrivals, words := r.queue.arrivals, r.queue.words
	size, n := 0, 0
	for n < len(arrivals) && (n == 0 || size+arrivals[n].size <= maxBatch) {
		size += arrivals[n].size
		n++
	}
	r.queue.arrivals, r.queue.words = slices.Clone(arrivals[n:]), nil
	r.queue.bytes -= size
	acked, doubted := r.queue.acked, r.queue.doubted
	r.queue.acked, r.queue.doubted = false, ""
	if len(r.queue.arrivals) > 0 {
		r.signal()
	}
	r.queue.Unlock()
	if n > 0 {
		r.ingest(ctx, arrivals[:n])
	}
	if len(words) > 0 {
		r.sayAll(ctx, words)
	}
	if acked {
		r.ackHeard()
	}
	r.repair(doubted)
}
