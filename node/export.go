package node

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"p2pchat/node/api"
	"p2pchat/node/internal/rooms"
	"p2pchat/node/internal/store"
	"p2pchat/protocol/event"
	"p2pchat/protocol/room"
	"p2pchat/protocol/transcript"
)

// Export writes what is kept of a conversation, with its signatures, in a format
// of package transcript. What was retracted is without its body. Errors:
// not-found, ambiguous, usage for a format that is none; those of w.
func (r *Reader) Export(ctx context.Context, target, format string, w io.Writer) error {
	h := transcript.Header{Exported: time.Now(), By: r.acc.Peer.String(), Names: map[string]string{}}
	p, in, isRoom, err := pickTarget(target,
		func() (peer.ID, error) { return r.resolve(target) },
		func() (*rooms.StoredRoom, error) { return r.room(ctx, target) })
	if err != nil {
		return err
	}
	conv, called := event.Direct(r.acc.Peer, p), r.people.name
	h.Kind, h.Name = api.KindDirect, r.people.called(p)
	if isRoom {
		cfg := in.Info().Config
		logging := cfg.Logging()
		conv, h.Kind, h.Name, h.Logging = in.ID(), api.KindRoom, cfg.Name(), &logging
		called = func(p peer.ID) string {
			if nick := in.Nick(p); nick != "" {
				return nick
			}
			return r.people.name(p)
		}
	}
	h.Conversation = conv.String()
	name := func(p peer.ID) string {
		n := called(p)
		if n != "" {
			h.Names[p.String()] = n
		}
		return n
	}
	rows, err := r.store.Log(ctx, store.LogQuery{Conv: conv, All: true, Unblocked: isRoom})
	if err != nil {
		return apiError(err)
	}
	events := make([]*event.Event, len(rows))
	for i, row := range rows {
		events[i] = row.Event
		if row.Verdict == store.VerdictRetracted {
			events[i] = transcript.Retracted(row.Event)
		}
		name(row.Author)
		if row.Lane == event.LaneControl {
			_ = room.Describe(row.Event, name) // whoever it names
		}
	}
	return transcript.New(h, events).Render(w, transcript.Format(format))
}

// VerifyTranscript checks an exported conversation. Errors: damaged if it is none, or
// not as it was signed and exported; those of file.
func VerifyTranscript(file io.Reader) (api.Transcript, error) {
	r, err := transcript.Check(file)
	if errors.Is(err, transcript.ErrAltered) || errors.Is(err, transcript.ErrForeign) {
		return api.Transcript{}, api.Errorf(api.CodeDamaged, "%w", err)
	}
	return api.Transcript{
		Format: string(r.Format), Conversation: r.Header.Conversation, Name: r.Header.Name, Exported: api.Time{Time: r.Header.Exported}, By: r.Header.By,
		Events: r.Events, Authors: r.Authors, Missing: r.Missing, Forks: r.Forks, Bare: r.Bare, BareEdits: r.BareEdits,
	}, err
}
