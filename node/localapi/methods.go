package localapi

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"iter"
	"time"

	"p2pchat/node/api"
)

// Whoami implements [api.Service].
func (c *Client) Whoami(ctx context.Context) (api.Identity, error) {
	return ask[api.Identity](ctx, c, "whoami", none{})
}

// Peers implements [api.Service].
func (c *Client) Peers(ctx context.Context) ([]api.Peer, error) {
	return ask[[]api.Peer](ctx, c, "peers", none{})
}

// Conversations implements [api.Service].
func (c *Client) Conversations(ctx context.Context) ([]api.Conversation, error) {
	return ask[[]api.Conversation](ctx, c, "conversations", none{})
}

// Log implements [api.Service].
func (c *Client) Log(ctx context.Context, q api.LogQuery) ([]api.Message, error) {
	return ask[[]api.Message](ctx, c, "log", q)
}

// Search implements [api.Service].
func (c *Client) Search(ctx context.Context, q api.SearchQuery) ([]api.Message, error) {
	// JSON would replace what is not UTF-8 without a word.
	if _, err := api.ParseSearch(q.Words, time.Now()); err != nil {
		return nil, err
	}
	return ask[[]api.Message](ctx, c, "search", q)
}

// Status implements [api.Service].
func (c *Client) Status(ctx context.Context) (api.Status, error) {
	return ask[api.Status](ctx, c, "status", none{})
}

// AddPeer implements [api.Service].
func (c *Client) AddPeer(ctx context.Context, addr string) error {
	_, err := ask[none](ctx, c, "peers/add", peerAdd{Addr: addr})
	return err
}

// RemovePeer implements [api.Service].
func (c *Client) RemovePeer(ctx context.Context, who string) error {
	_, err := ask[none](ctx, c, "peers/remove", peerRemove{Who: who})
	return err
}

// Verify implements [api.Service].
func (c *Client) Verify(ctx context.Context, who string, undo bool) (api.Verification, error) {
	return ask[api.Verification](ctx, c, "peers/verify", peerMark{Who: who, Undo: undo})
}

// Block implements [api.Service].
func (c *Client) Block(ctx context.Context, who string, undo bool) (api.Blocking, error) {
	return ask[api.Blocking](ctx, c, "peers/block", peerMark{Who: who, Undo: undo})
}

// Storage implements [api.Service].
func (c *Client) Storage(ctx context.Context) (api.Storage, error) {
	return ask[api.Storage](ctx, c, "storage", none{})
}

// SetRetention implements [api.Service].
func (c *Client) SetRetention(ctx context.Context, r api.Retention) (api.Storage, error) {
	return ask[api.Storage](ctx, c, "storage/limit", r)
}

// Send implements [api.Service]. If the connection is lost before the answer,
// whether the message was stored is unknown, and nothing is sent again.
func (c *Client) Send(ctx context.Context, r api.SendRequest) (api.Receipt, error) {
	if err := api.CheckText(r.Text); err != nil {
		return api.Receipt{}, err
	}
	return ask[api.Receipt](ctx, c, "send", r)
}

// Await implements [api.Service].
func (c *Client) Await(ctx context.Context, sent api.Receipt, wait time.Duration) (api.Receipt, error) {
	return ask[api.Receipt](ctx, c, "await", await{Sent: sent, Wait: wait})
}

// Edit implements [api.Service]. As for [Client.Send], nothing is sent again; so
// for the next two.
func (c *Client) Edit(ctx context.Context, r api.AmendRequest) (api.Receipt, error) {
	if err := api.CheckText(r.Text); err != nil {
		return api.Receipt{}, err
	}
	return ask[api.Receipt](ctx, c, "edit", r)
}

// Retract implements [api.Service].
func (c *Client) Retract(ctx context.Context, r api.AmendRequest) (api.Receipt, error) {
	return ask[api.Receipt](ctx, c, "retract", r)
}

// React implements [api.Service].
func (c *Client) React(ctx context.Context, r api.AmendRequest) (api.Receipt, error) {
	if r.Text != "" || !r.Undo {
		if err := api.CheckReaction(r.Text); err != nil {
			return api.Receipt{}, err
		}
	}
	return ask[api.Receipt](ctx, c, "react", r)
}

// MarkRead implements [api.Service].
func (c *Client) MarkRead(ctx context.Context, target, id string) error {
	_, err := ask[none](ctx, c, "read", markRead{Target: target, ID: id})
	return err
}

// Typing implements [api.Service].
func (c *Client) Typing(ctx context.Context, target string) error {
	_, err := ask[none](ctx, c, "typing", typing{Target: target})
	return err
}

// SetAway implements [api.Service].
func (c *Client) SetAway(ctx context.Context, isAway bool, text string) error {
	if err := api.CheckStatus(text); err != nil {
		return err
	}
	_, err := ask[none](ctx, c, "away", away{Away: isAway, Text: text})
	return err
}

// Diagnose implements [api.Service].
func (c *Client) Diagnose(ctx context.Context) ([]api.Finding, error) {
	return ask[[]api.Finding](ctx, c, "diagnose", none{})
}

// CaptureTarget implements [api.Service].
func (c *Client) CaptureTarget(ctx context.Context) (api.CaptureTarget, error) {
	return ask[api.CaptureTarget](ctx, c, "capture-target", none{})
}

// Shutdown implements [api.Service].
func (c *Client) Shutdown(ctx context.Context) error {
	_, err := ask[none](ctx, c, "shutdown", none{})
	return err
}

// Watch implements [api.Service]. A node that stops ends it without an error;
// one that vanishes ends it with no-node. Every loop over it is a new request.
func (c *Client) Watch(ctx context.Context, since uint64) iter.Seq2[api.Change, error] {
	return follow(ctx, c, "watch", watch{Since: since}, func(l line) (api.Change, *api.Error) { return l.Change, l.Error })
}

// CaptureSecrets implements [api.Service]; it ends as [Client.Watch] does.
func (c *Client) CaptureSecrets(ctx context.Context) iter.Seq2[api.Secret, error] {
	return follow(ctx, c, "capture-secrets", none{}, func(l secretLine) (api.Secret, *api.Error) { return l.Secret, l.Error })
}

// follow yields the lines of a stream, each opened into what it carries or the
// error that ends the stream.
func follow[Line, T any](ctx context.Context, c *Client, method string, request any, open func(Line) (T, *api.Error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var nothing T
		body, err := c.post(ctx, method, request)
		if err != nil {
			if ctx.Err() == nil {
				yield(nothing, err)
			}
			return
		}
		defer body.Close()
		for lines := bufio.NewReader(body); ; {
			raw, err := lines.ReadBytes('\n')
			switch {
			case ctx.Err() != nil:
				return
			case errors.Is(err, io.EOF):
				return // the stream was ended, not cut: that would be ErrUnexpectedEOF
			case err != nil:
				yield(nothing, lost(err))
				return
			}
			var next Line
			if err := json.Unmarshal(raw, &next); err != nil {
				yield(nothing, garbled(method, err))
				return
			}
			item, failed := open(next)
			if failed != nil {
				yield(nothing, failed)
				return
			}
			if !yield(item, nil) {
				return
			}
		}
	}
}
