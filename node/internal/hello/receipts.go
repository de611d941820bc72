package hello

import (
	"errors"
	"fmt"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"google.golang.org/protobuf/proto"

	"p2pchat/protocol/event"
	"p2pchat/protocol/pb"
)

const (
	// receiptGather is how long receipts wait for others to travel with.
	receiptGather = 75 * time.Millisecond
	// receiptEvery spaces the frames with receipts accepted from one peer.
	receiptEvery = 50 * time.Millisecond
	// maxReceipts bounds the positions in one frame, maxDue those that wait to
	// be sent or told in one session. What is over that is dropped: receipts
	// are hints, sync says the same again.
	maxReceipts = 32
	maxDue      = 1024
)

// receipts are positions in logs of rooms, the newest of each log.
type receipts map[receiptKey]event.Head

type receiptKey struct {
	room event.Conversation
	log  event.LogKey
}

// put notes a position, unless a newer one is known or there are too many.
func (r receipts) put(k receiptKey, h event.Head) {
	if old, here := r[k]; (here && old.Seq >= h.Seq) || (!here && len(r) >= maxDue) {
		return
	}
	r[k] = h
}

// Receipt tells p, soon, that we have committed his log k in room up to h. It
// does nothing if p is not here or k is another's.
func (s *Service) Receipt(p peer.ID, room event.Conversation, k event.LogKey, h event.Head) {
	if k.Author != p {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	ses := s.sessionLocked(p)
	if ses == nil || s.stopped {
		return
	}
	ses.due.put(receiptKey{room, k}, h)
	if !ses.gathering {
		ses.gathering = true
		// Ends when nothing is due, with the session, or with Run.
		s.wg.Go(func() { s.sendReceipts(ses) })
	}
}

// sessionLocked gives an established session with p, or nil.
func (s *Service) sessionLocked(p peer.ID) *session {
	for c, ses := range s.sessions {
		if ses.isUp && c.RemotePeer() == p {
			return ses
		}
	}
	return nil
}

// sendReceipts sends what is due on ses, a frame each receiptGather.
func (s *Service) sendReceipts(ses *session) {
	for {
		alive := sleep(s.ctx, receiptGather)
		s.mu.Lock()
		f := ses.due.take()
		if f == nil || !alive || s.sessions[ses.conn] != ses {
			clear(ses.due)
			ses.gathering = false
			s.mu.Unlock()
			return
		}
		s.mu.Unlock()
		if err := ses.write(f); err != nil {
			s.log.Debug("write receipts", "peer", ses.conn.RemotePeer(), "err", err)
		}
	}
}

// take removes as many receipts as fit into a frame; nil if there are none.
func (r receipts) take() *pb.HelloFrame {
	const perRoom, overhead = 64, 64 // bytes, more than it takes
	var f pb.HelloFrame
	rooms := map[event.Conversation]*pb.RoomReceipt{}
	size, n := overhead, 0
	for k, h := range r {
		head := k.log.Wire(h)
		size += proto.Size(head) + 4
		if rooms[k.room] == nil {
			size += perRoom
		}
		if size > maxFrame || n == maxReceipts {
			break
		}
		if rooms[k.room] == nil {
			rooms[k.room] = &pb.RoomReceipt{Room: k.room[:]}
			f.Receipts = append(f.Receipts, rooms[k.room])
		}
		rooms[k.room].Heads = append(rooms[k.room].Heads, head)
		delete(r, k)
		n++
	}
	if n == 0 {
		return nil
	}
	return &f
}

// receive notes receipts that came on ses, to be told to the handler. An error
// means that the frame is malformed.
func (s *Service) receive(ses *session, wire []*pb.RoomReceipt) error {
	news := receipts{}
	n := 0
	for _, m := range wire {
		if len(m.Room) != len(event.Conversation{}) {
			return errors.New("receipt for no room")
		}
		for _, head := range m.Heads {
			if n++; n > maxReceipts {
				return fmt.Errorf("more than %d receipts in a frame", maxReceipts)
			}
			k, h, err := event.HeadFromWire(head)
			if err != nil {
				return fmt.Errorf("receipt: %w", err)
			}
			if k.Author != s.cfg.Host.ID() {
				return errors.New("receipt for another's log")
			}
			news.put(receiptKey{event.Conversation(m.Room), k}, h)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	waiting := len(ses.heard) > 0
	for k, h := range news {
		ses.heard.put(k, h)
	}
	// One call is on its way at most: a slow handler makes it say more.
	if !waiting && len(ses.heard) > 0 {
		s.postLocked(func(h Handler) { s.tellReceipts(ses, h) })
	}
	return nil
}

// tellReceipts tells the handler what came on ses, room by room.
func (s *Service) tellReceipts(ses *session, h Handler) {
	s.mu.Lock()
	news := ses.heard
	ses.heard = receipts{}
	s.mu.Unlock()
	rooms := map[event.Conversation]event.Frontier{}
	for k, head := range news {
		if rooms[k.room] == nil {
			rooms[k.room] = event.Frontier{}
		}
		rooms[k.room][k.log] = head
	}
	for room, f := range rooms {
		h.PeerReceipts(ses.conn.RemotePeer(), room, f)
	}
}
