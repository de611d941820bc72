package localapi

import (
	"cmp"
	"context"
	"time"
	"unicode/utf8"

	"p2pchat/node/api"
)

// What is checked here, before the socket, JSON would replace without a word:
// texts that are not UTF-8.

// Audit implements [api.Service].
func (c *Client) Audit(ctx context.Context, room string) ([]api.AuditRow, error) {
	return ask[[]api.AuditRow](ctx, c, "room/audit", inRoom{Room: room})
}

// Invitations implements [api.Service].
func (c *Client) Invitations(ctx context.Context) ([]api.Invitation, error) {
	return ask[[]api.Invitation](ctx, c, "invitations", none{})
}

// SetSubject implements [api.Service].
func (c *Client) SetSubject(ctx context.Context, room, subject string) (api.Entry, error) {
	if err := api.CheckSubject(subject); err != nil {
		return api.Entry{}, err
	}
	return ask[api.Entry](ctx, c, "room/subject", roomSubject{Room: room, Subject: subject})
}

// Configure implements [api.Service].
func (c *Client) Configure(ctx context.Context, r api.ConfigureRequest) (api.Entry, error) {
	for _, s := range r.Set {
		if !utf8.ValidString(s.Key) || !utf8.ValidString(s.Value) {
			return api.Entry{}, api.Errorf(api.CodeBadText, "a setting must be valid UTF-8")
		}
	}
	return ask[api.Entry](ctx, c, "room/configure", r)
}

// Govern implements [api.Service].
func (c *Client) Govern(ctx context.Context, r api.GovernRequest) (api.Entry, error) {
	if err := api.CheckReason(r.Reason); err != nil {
		return api.Entry{}, err
	}
	return ask[api.Entry](ctx, c, "room/govern", r)
}

// RequestVoice implements [api.Service].
func (c *Client) RequestVoice(ctx context.Context, room string) (api.Entry, error) {
	return ask[api.Entry](ctx, c, "room/voice", inRoom{Room: room})
}

// Invite implements [api.Service].
func (c *Client) Invite(ctx context.Context, room, who, reason string) (api.Entry, error) {
	if err := api.CheckReason(reason); err != nil {
		return api.Entry{}, err
	}
	return ask[api.Entry](ctx, c, "room/invite", roomInvite{Room: room, Who: who, Reason: reason})
}

// AnswerInvitation implements [api.Service].
func (c *Client) AnswerInvitation(ctx context.Context, r api.AnswerRequest) (api.Entry, error) {
	var nick error
	if r.Nick != "" {
		nick = api.CheckNick(r.Nick)
	}
	if err := cmp.Or(api.CheckReason(r.Reason), nick); err != nil {
		return api.Entry{}, err
	}
	return ask[api.Entry](ctx, c, "room/answer", r)
}

// SendPrivate implements [api.Service]. As for [Client.Send], nothing is sent
// again when the connection is lost.
func (c *Client) SendPrivate(ctx context.Context, room, who, text string, wait time.Duration) (api.Receipt, error) {
	if err := api.CheckText(text); err != nil {
		return api.Receipt{}, err
	}
	return ask[api.Receipt](ctx, c, "room/private", roomPrivate{Room: room, Who: who, Text: text, Wait: wait})
}
