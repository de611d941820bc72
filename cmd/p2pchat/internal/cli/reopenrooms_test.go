package cli

import (
	"context"
	"strings"
	"testing"

	"p2pchat/node/api"
	"p2pchat/node/api/apitest"
)

// unanswered is a node that vanishes when it is asked to do something in a room.
type unanswered struct {
	api.Service
	stop  func()
	times int
}

func (u *unanswered) vanish(ctx context.Context) (api.Entry, error) {
	u.times++
	go u.stop() // ends when this call, and with it the server, does
	<-ctx.Done()
	return api.Entry{}, ctx.Err()
}

func (u *unanswered) SetSubject(ctx context.Context, _, _ string) (api.Entry, error) {
	return u.vanish(ctx)
}

func (u *unanswered) Configure(ctx context.Context, _ api.ConfigureRequest) (api.Entry, error) {
	return u.vanish(ctx)
}

func (u *unanswered) Govern(ctx context.Context, _ api.GovernRequest) (api.Entry, error) {
	return u.vanish(ctx)
}

func (u *unanswered) RequestVoice(ctx context.Context, _ string) (api.Entry, error) {
	return u.vanish(ctx)
}

func (u *unanswered) Invite(ctx context.Context, _, _, _ string) (api.Entry, error) {
	return u.vanish(ctx)
}

func (u *unanswered) AnswerInvitation(ctx context.Context, _ api.AnswerRequest) (api.Entry, error) {
	return u.vanish(ctx)
}

// What was asked of a room and not answered is not asked again, and said to be of
// unknown fate.
func TestGovernmentOfUnknownFate(t *testing.T) {
	t.Parallel()
	for what, do := range map[string]func(context.Context, api.Service) (api.Entry, error){
		"subject": func(ctx context.Context, svc api.Service) (api.Entry, error) { return svc.SetSubject(ctx, "a", "b") },
		"configure": func(ctx context.Context, svc api.Service) (api.Entry, error) {
			return svc.Configure(ctx, api.ConfigureRequest{})
		},
		"govern": func(ctx context.Context, svc api.Service) (api.Entry, error) {
			return svc.Govern(ctx, api.GovernRequest{})
		},
		"voice":  func(ctx context.Context, svc api.Service) (api.Entry, error) { return svc.RequestVoice(ctx, "a") },
		"invite": func(ctx context.Context, svc api.Service) (api.Entry, error) { return svc.Invite(ctx, "a", "b", "") },
		"answer": func(ctx context.Context, svc api.Service) (api.Entry, error) {
			return svc.AnswerInvitation(ctx, api.AnswerRequest{})
		},
	} {
		a, _, stdout := reopening(t)
		svc := &unanswered{Service: apitest.NewLAN().Join("alice")}
		stopped := make(chan struct{})
		stop := socket(t, a.data, svc)
		svc.stop = func() { defer close(stopped); stop() }
		err := a.withEntry(t.Context(), do, "done", "a")
		<-stopped
		if !api.IsCode(err, api.CodeNoNode) || !strings.Contains(err.Error(), "it is not known whether") || svc.times != 1 || stdout.Len() > 0 {
			t.Errorf("%s: asked %d times, %v, printed %q", what, svc.times, err, stdout)
		}
	}
}
