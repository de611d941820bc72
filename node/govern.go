package node

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/libp2p/go-libp2p/core/peer"

	"p2pchat/node/api"
	"p2pchat/node/internal/rooms"
	"p2pchat/protocol/event"
	"p2pchat/protocol/identity"
	"p2pchat/protocol/room"
)

// SetSubject implements [api.Service].
func (n *Node) SetSubject(ctx context.Context, target, subject string) (api.Entry, error) {
	if len(subject) > room.MaxSubject {
		return api.Entry{}, api.Errorf(api.CodeTooLong, "a subject of %d bytes: at most %d", len(subject), room.MaxSubject)
	}
	if err := oneLine("a subject", subject); err != nil {
		return api.Entry{}, err
	}
	return n.inRoom(ctx, target, func(r *rooms.Room) error { return r.Subject(ctx, subject) })
}

// inRoom does something in a room and tells what we are there afterwards.
func (n *Node) inRoom(ctx context.Context, target string, f func(*rooms.Room) error) (api.Entry, error) {
	r, err := n.resolveRoom(ctx, target)
	if err != nil {
		return api.Entry{}, err
	}
	if err := n.maySay(); err != nil {
		return api.Entry{}, err
	}
	if err := f(r); err != nil {
		return api.Entry{}, errorIn(ctx, r, n.people.called, err)
	}
	return n.entry(ctx, r)
}

// Configure implements [api.Service].
func (n *Node) Configure(ctx context.Context, q api.ConfigureRequest) (api.Entry, error) {
	var settings []room.Setting
	for i, s := range q.Set {
		if slices.ContainsFunc(q.Set[:i], func(o api.Setting) bool { return o.Key == s.Key }) {
			return api.Entry{}, api.Errorf(api.CodeUsage, "%s is given twice", s.Key)
		}
		if s.Key == room.FieldName.Key() {
			if err := api.CheckRoomName(s.Value); err != nil {
				return api.Entry{}, err
			}
		}
		parsed, err := room.ParseSetting(s.Key, s.Value)
		if err != nil {
			return api.Entry{}, api.Errorf(api.CodeUsage, "%w", err)
		}
		if parsed.Field == room.FieldMinVersion && parsed.Number > room.Version {
			return api.Entry{}, api.Errorf(api.CodeUsage, "min_version=%d: this program knows no version above %d", parsed.Number, room.Version)
		}
		settings = append(settings, parsed)
	}
	var password *[]byte
	switch {
	case len(q.Password) > 0 && q.NoPassword:
		return api.Entry{}, api.Errorf(api.CodeUsage, "a password is either set or taken away")
	case len(q.Password) > 0:
		password = &q.Password
	case q.NoPassword:
		password = &[]byte{}
	case len(settings) == 0:
		return api.Entry{}, api.Errorf(api.CodeUsage, "nothing to change is given")
	}
	return n.inRoom(ctx, q.Room, func(r *rooms.Room) error { return r.Configure(ctx, settings, password) })
}

// Govern implements [api.Service].
func (n *Node) Govern(ctx context.Context, q api.GovernRequest) (api.Entry, error) {
	if len(q.Reason) > room.MaxReason {
		return api.Entry{}, api.Errorf(api.CodeTooLong, "a reason of %d bytes: at most %d", len(q.Reason), room.MaxReason)
	}
	if err := oneLine("a reason", q.Reason); err != nil {
		return api.Entry{}, err
	}
	return n.inRoom(ctx, q.Room, func(r *rooms.Room) error {
		op, err := n.op(ctx, r, q)
		if err != nil {
			return err
		}
		return r.Govern(ctx, func(rules *room.Room) ([]room.Op, error) {
			if q.Act == api.ActUnban && rules.Standing(op.Target) != room.Outcast {
				return nil, api.Errorf(api.CodeUsage, "%s is not banned", n.people.called(op.Target))
			}
			return []room.Op{op}, nil
		})
	})
}

// op is the control operation that a request asks for.
func (n *Node) op(ctx context.Context, r *rooms.Room, q api.GovernRequest) (room.Op, error) {
	op := room.Op{Reason: q.Reason}
	switch q.Act {
	case api.ActDestroy:
		op.Kind = room.KindDestroy
		if q.Alternate == "" {
			return op, nil
		}
		id, _, _, err := n.findRoom(ctx, q.Alternate)
		op.Alternate = id
		return op, err
	case api.ActRetract:
		return n.retraction(ctx, r, op, q.ID)
	}
	var err error
	if op.Target, err = n.resolveMember(ctx, r, q.Who); err != nil {
		return op, err
	}
	switch q.Act {
	case api.ActKick:
		op.Kind = room.KindKick
	case api.ActVoice:
		op.Kind = room.KindVoice
	case api.ActDevoice:
		op.Kind = room.KindDevoice
	case api.ActBan:
		op.Kind, op.Standing = room.KindSet, room.Outcast
	case api.ActUnban:
		op.Kind, op.Standing = room.KindSet, room.None
	case api.ActGrant:
		standing, ok := room.ParseStanding(q.Standing)
		if !ok {
			return op, api.Errorf(api.CodeUsage, "%q is no standing: outcast, none, member, moderator, admin or owner", q.Standing)
		}
		op.Kind, op.Standing = room.KindSet, standing
	default:
		return op, api.Errorf(api.CodeUsage, "%q is nothing that can be done in a room", q.Act)
	}
	if op.Kind == room.KindSet && op.Standing == room.Outcast && op.Target == n.key.ID() {
		// XEP-0045, 9.1. If nobody heard of it, nobody could take it back.
		return op, api.Errorf(api.CodeForbidden, "nobody bans himself: leave the room, or give up your standing")
	}
	return op, nil
}

// retraction names a message of the room and its author.
func (n *Node) retraction(ctx context.Context, r *rooms.Room, op room.Op, id string) (room.Op, error) {
	eid, err := event.ParseID(id)
	if err != nil { // the beginning of one
		m, err := n.findMessage(ctx, conversationRef{room: r}, id)
		if err != nil {
			return op, err
		}
		eid = m.ID
	}
	e, err := n.store.EventByID(ctx, eid)
	if err != nil || e.Conversation != r.ID() || e.Lane != event.LaneMessage {
		return op, api.Errorf(api.CodeNotFound, "there is no message %s in this room", id)
	}
	if e.Author == n.key.ID() {
		return op, api.Errorf(api.CodeForbidden, "this is your own message: `p2pchat retract` takes it back, and its text is gone")
	}
	op.Kind, op.Target, op.Message = room.KindRetract, e.Author, e.ID
	return op, nil
}

// resolveMember finds whom a WHO names within a room: a nick of somebody in it, a
// name, the last nick there of somebody who is not in it any more, whom a ban may be
// about, or the peer ID of anybody, ourselves included.
func (n *Node) resolveMember(ctx context.Context, r *rooms.Room, who string) (peer.ID, error) {
	ms, err := r.Members(ctx)
	if err != nil {
		return "", err
	}
	var called []person
	for _, m := range ms {
		called = append(called, person{m.Peer, m.Nick})
	}
	id, err := resolveMember(who, called, n.key.ID(), n.resolve)
	if trimPerson(who) != who || !api.IsCode(err, api.CodeNotFound) {
		return id, err
	}
	gone, gerr := r.Gone(ctx)
	if gerr != nil {
		return "", gerr
	}
	called = called[:0]
	for _, g := range gone {
		called = append(called, person{g.Peer, g.Nick})
	}
	if id, gerr = resolve(who, person{}, called); api.IsCode(gerr, api.CodeNotFound) {
		return "", err
	}
	return id, gerr
}

func resolveMember(who string, members []person, self peer.ID, anybody func(string) (peer.ID, error)) (peer.ID, error) {
	if id, err := peer.Decode(trimPerson(who)); err == nil {
		if _, err := identity.PublicKey(id); err != nil {
			return "", api.Errorf(api.CodeNotFound, "%s is no peer ID: a part of it is missing, perhaps", who)
		}
		return id, nil
	}
	known, err := anybody(who)
	if errors.Is(err, errSelf) {
		known, err = self, nil
	}
	// '@name' is a username, also where somebody has it as his nick.
	if trimPerson(who) != who {
		return known, err
	}
	nick, nerr := resolve(who, person{}, members)
	switch {
	case err == nil && nerr == nil && nick != known:
		e := api.Errorf(api.CodeAmbiguous, "%q is somebody's name and another's nick here: say '@%s' for the name, or the peer ID: %s, %s", who, who, known, nick)
		e.Candidates = []string{known.String(), nick.String()}
		return "", e
	case nerr == nil || err != nil && !api.IsCode(nerr, api.CodeNotFound):
		return nick, nerr
	}
	return known, err
}

// RequestVoice implements [api.Service].
func (n *Node) RequestVoice(ctx context.Context, target string) (api.Entry, error) {
	return n.inRoom(ctx, target, func(r *rooms.Room) error {
		info, err := r.Info(ctx)
		if err != nil {
			return err
		}
		switch {
		case !info.In:
			return rooms.ErrNotJoined
		case info.Role != room.Visitor:
			return api.Errorf(api.CodeUsage, "you may speak in this room already")
		}
		id := r.ID()
		body, err := room.EncodeBody(&room.VoiceRequest{Room: id})
		if err != nil {
			return err
		}
		ms, err := r.Members(ctx)
		if err != nil {
			return err
		}
		asked := 0
		for _, m := range ms {
			if m.Role >= room.RoleModerator && !n.people.blocked(m.Peer) {
				asked++
				if _, err := n.tellDirect(ctx, m.Peer, room.KindVoiceRequest, body); err != nil {
					return err
				}
			}
		}
		if asked == 0 {
			return &room.Refusal{Code: room.Forbidden, Message: "no moderator is in the room to be asked"}
		}
		return nil
	})
}

// tellDirect commits something about a room in the conversation with p and has
// it sent.
func (n *Node) tellDirect(ctx context.Context, p peer.ID, kind event.Kind, body []byte) (*event.Event, error) {
	if err := n.mayTell(p); err != nil {
		return nil, err
	}
	conv, err := n.convs.with(ctx, p)
	if err != nil {
		return nil, err
	}
	e, err := n.ledger.Append(ctx, conv, kind, body)
	if err != nil {
		return nil, err
	}
	n.direct.Wake(p)
	if !n.people.online(p) {
		n.discovery.Want(p)
	}
	return e, nil
}

// Audit implements [api.Reader].
func (n *Node) Audit(ctx context.Context, target string) ([]api.AuditRow, error) {
	r, err := n.resolveRoom(ctx, target)
	if err != nil {
		return nil, err
	}
	all, err := r.Audit(ctx, n.people.called)
	if err != nil {
		return nil, roomError(err)
	}
	return auditRows(all, n.people), nil
}

var actNames = map[event.Kind]string{
	room.KindGenesis: "genesis", room.KindSet: "set", room.KindKick: "kick", room.KindVoice: "voice", room.KindDevoice: "devoice",
	room.KindRetract: "retract", room.KindConfigure: "configure", room.KindDestroy: "destroy",
}

func auditRows(all []room.Decision, who *people) []api.AuditRow {
	out := make([]api.AuditRow, len(all))
	for i, d := range all {
		row := api.AuditRow{
			ID: d.ID.String(), Time: api.Time{Time: d.Time.Wall()}, PeerID: d.Author.String(), Name: who.name(d.Author), Act: actNames[d.Op.Kind],
			Did: d.Did, Rank: d.Rank.String(), Effective: d.Effective, Why: d.Why,
		}
		if row.Act == "" {
			row.Act = "unknown"
		}
		if d.Op.Target != "" {
			row.Target = d.Op.Target.String()
		}
		if !d.Authority.IsZero() {
			row.Authority = d.Authority.String()
		}
		out[i] = row
	}
	return out
}

// SendPrivate implements [api.Service].
func (n *Node) SendPrivate(ctx context.Context, target, who, text string, wait time.Duration) (api.Receipt, error) {
	if err := cmp.Or(api.CheckText(text), n.maySay()); err != nil {
		return api.Receipt{}, err
	}
	r, err := n.resolveRoom(ctx, target)
	if err != nil {
		return api.Receipt{}, err
	}
	p, err := n.resolveMember(ctx, r, who)
	if err != nil {
		return api.Receipt{}, roomError(err)
	}
	if p == n.key.ID() {
		return api.Receipt{}, errSelf
	}
	if err := r.MayWrite(ctx, p); err != nil {
		return api.Receipt{}, errorIn(ctx, r, n.people.called, err)
	}
	body, err := room.EncodeBody(&room.Private{Room: r.ID(), Text: text})
	if err != nil {
		return api.Receipt{}, api.Errorf(api.CodeBadText, "%w", err)
	}
	waitCtx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	return n.sendDirect(ctx, waitCtx, p, room.KindPrivate, body)
}

// oneLine refuses a text that is not one line of UTF-8. Errors: bad-text.
func oneLine(what, text string) error {
	if !utf8.ValidString(text) || strings.ContainsFunc(text, unicode.IsControl) {
		return api.Errorf(api.CodeBadText, "%s must be one line of valid UTF-8 without control characters", what)
	}
	return nil
}
