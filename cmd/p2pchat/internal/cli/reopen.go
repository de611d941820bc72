package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"p2pchat/node/api"
	"p2pchat/node/localapi"
)

// afterwards is how long an interrupted command may still ask what came of it.
const afterwards = time.Second

// withService runs f with the running node of the account, or one started for
// the time of f and of whoever attaches to it meanwhile. When the node stops
// just then, f is run again with another one, provided that it has printed
// nothing and that nothing it asked to be done can have been done.
func (a *app) withService(ctx context.Context, f func(ctx context.Context, svc api.Service) error) error {
	deadline := time.Now().Add(patience)
	for {
		doing := &doing{}
		err := a.withServiceOnce(ctx, func(ctx context.Context, s *session) error {
			doing.Service, doing.remote = s, s.client != nil
			return f(ctx, doing)
		})
		if !api.IsCode(err, api.CodeNoNode) || !doing.remote || doing.begun || a.out.wrote || time.Now().After(deadline) {
			return err
		}
		if err := pause(ctx, retryEvery); err != nil {
			return err
		}
	}
}

// doing is a service that remembers whether it may have changed anything. It
// is for one goroutine, except for what only reads.
type doing struct {
	api.Service
	remote bool // the node runs in another process
	begun  bool // a request to do something was taken, or may have been
}

// did notes how a request to do something ended.
func (d *doing) did(err error) error {
	d.begun = d.begun || !refused(err)
	return err
}

func (d *doing) Send(ctx context.Context, r api.SendRequest) (api.Receipt, error) {
	receipt, err := d.Service.Send(ctx, r)
	if ctx.Err() != nil && receipt.ID == "" && d.nameless(ctx, r.Target) {
		return receipt, api.Errorf(api.CodeNotFound, "interrupted: nobody and no room called %q is known yet, and nothing was sent", r.Target)
	}
	return d.sent(ctx, receipt, err)
}

// nameless tells whether target still names nobody after a request was interrupted:
// then nothing can have been stored for it.
func (d *doing) nameless(ctx context.Context, target string) bool {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), afterwards)
	defer cancel()
	_, err := d.Log(ctx, api.LogQuery{Target: target, Last: 1})
	return api.IsCode(err, api.CodeNotFound)
}

func (d *doing) SendPrivate(ctx context.Context, room, who, text string, wait time.Duration) (api.Receipt, error) {
	receipt, err := d.Service.SendPrivate(ctx, room, who, text, wait)
	return d.sent(ctx, receipt, err)
}

func (d *doing) sent(ctx context.Context, receipt api.Receipt, err error) (api.Receipt, error) {
	_ = d.did(err)
	if receipt.ID != "" {
		return receipt, err
	}
	return receipt, d.unknown(ctx, err, unknownStored)
}

const unknownStored = "it is not known whether the message was stored (p2pchat log shows it then)"

// unknown adds to an error after which something may have been done that it
// may.
func (d *doing) unknown(ctx context.Context, err error, unknown string) error {
	switch {
	case err == nil || !d.remote:
		return err
	case ctx.Err() != nil:
		return fmt.Errorf("%s: %w", unknown, err)
	case api.IsCode(err, api.CodeNoNode) && !refused(err):
		return api.Errorf(api.CodeNoNode, "%w; %s", err, unknown)
	}
	return err
}

func (d *doing) CreateRoom(ctx context.Context, r api.CreateRoomRequest) (api.Entry, error) {
	e, err := d.Service.CreateRoom(ctx, r)
	return e, d.unknown(ctx, d.did(err), "it is not known whether the room was made (p2pchat rooms shows it then)")
}

func (d *doing) JoinRoom(ctx context.Context, r api.JoinRoomRequest) (api.Entry, error) {
	e, err := d.Service.JoinRoom(ctx, r)
	return e, d.unknown(ctx, d.did(err), "it is not known whether the room was entered (p2pchat rooms shows it then)")
}

func (d *doing) LeaveRoom(ctx context.Context, room string) (api.Entry, error) {
	e, err := d.Service.LeaveRoom(ctx, room)
	return e, d.unknown(ctx, d.did(err), "it is not known whether the room was left (p2pchat rooms shows it then)")
}

// governed is what became of an act in a room.
func (d *doing) governed(ctx context.Context, e api.Entry, err error) (api.Entry, error) {
	return e, d.unknown(ctx, d.did(err), "it is not known whether that was done (p2pchat log --all shows it then)")
}

func (d *doing) SetSubject(ctx context.Context, room, subject string) (api.Entry, error) {
	e, err := d.Service.SetSubject(ctx, room, subject)
	return d.governed(ctx, e, err)
}

func (d *doing) Configure(ctx context.Context, r api.ConfigureRequest) (api.Entry, error) {
	e, err := d.Service.Configure(ctx, r)
	return d.governed(ctx, e, err)
}

func (d *doing) Govern(ctx context.Context, r api.GovernRequest) (api.Entry, error) {
	e, err := d.Service.Govern(ctx, r)
	return d.governed(ctx, e, err)
}

func (d *doing) RequestVoice(ctx context.Context, room string) (api.Entry, error) {
	e, err := d.Service.RequestVoice(ctx, room)
	return d.governed(ctx, e, err)
}

func (d *doing) Invite(ctx context.Context, room, who, reason string) (api.Entry, error) {
	e, err := d.Service.Invite(ctx, room, who, reason)
	return d.governed(ctx, e, err)
}

func (d *doing) AnswerInvitation(ctx context.Context, r api.AnswerRequest) (api.Entry, error) {
	e, err := d.Service.AnswerInvitation(ctx, r)
	return e, d.unknown(ctx, d.did(err), "it is not known whether the invitation was answered (p2pchat room invites shows it if not)")
}

func (d *doing) SetAway(ctx context.Context, away bool, text string) error {
	return d.did(d.Service.SetAway(ctx, away, text))
}

func (d *doing) AddPeer(ctx context.Context, addr string) error {
	return d.did(d.Service.AddPeer(ctx, addr))
}

func (d *doing) RemovePeer(ctx context.Context, who string) error {
	return d.did(d.Service.RemovePeer(ctx, who))
}

func (d *doing) Verify(ctx context.Context, who string, undo bool) (api.Verification, error) {
	v, err := d.Service.Verify(ctx, who, undo)
	return v, d.did(err)
}

func (d *doing) Block(ctx context.Context, who string, undo bool) (api.Blocking, error) {
	b, err := d.Service.Block(ctx, who, undo)
	return b, d.did(err)
}

func (d *doing) SetRetention(ctx context.Context, r api.Retention) (api.Storage, error) {
	s, err := d.Service.SetRetention(ctx, r)
	return s, d.did(err)
}

// refused tells whether no node took a request. What got an answer, or none, may
// have been carried out.
func refused(err error) bool {
	return api.IsCode(err, api.CodeNoNode) && errors.Is(err, localapi.ErrNotTaken)
}
