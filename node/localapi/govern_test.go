package localapi_test

import (
	"context"
	"reflect"
	"strings"
	"testing"
	"time"

	"p2pchat/node/api"
)

// governed answers what it was told to and keeps what it was asked.
type governed struct {
	api.Service
	asked       any
	audit       []api.AuditRow
	invitations []api.Invitation
	entry       api.Entry
	receipt     api.Receipt
}

func (g *governed) take(asked any) (api.Entry, error) {
	g.asked = asked
	return g.entry, nil
}

func (g *governed) Audit(_ context.Context, room string) ([]api.AuditRow, error) {
	g.asked = room
	return g.audit, nil
}

func (g *governed) Invitations(context.Context) ([]api.Invitation, error) {
	g.asked = "invitations"
	return g.invitations, nil
}

func (g *governed) SetSubject(_ context.Context, room, subject string) (api.Entry, error) {
	return g.take([]string{room, subject})
}

func (g *governed) Configure(_ context.Context, r api.ConfigureRequest) (api.Entry, error) {
	return g.take(r)
}

func (g *governed) Govern(_ context.Context, r api.GovernRequest) (api.Entry, error) {
	return g.take(r)
}

func (g *governed) RequestVoice(_ context.Context, room string) (api.Entry, error) {
	return g.take(room)
}

func (g *governed) Invite(_ context.Context, room, who, reason string) (api.Entry, error) {
	return g.take([]string{room, who, reason})
}

func (g *governed) AnswerInvitation(_ context.Context, r api.AnswerRequest) (api.Entry, error) {
	return g.take(r)
}

func (g *governed) SendPrivate(_ context.Context, room, who, text string, wait time.Duration) (api.Receipt, error) {
	g.asked = []any{room, who, text, wait}
	return g.receipt, nil
}

func (g *governed) CreateRoom(_ context.Context, r api.CreateRoomRequest) (api.Entry, error) {
	return g.take(r)
}

func (g *governed) JoinRoom(_ context.Context, r api.JoinRoomRequest) (api.Entry, error) {
	return g.take(r)
}

// Every field of what is asked of a room's government arrives, passwords byte for
// byte, and of what is answered.
func TestGovernmentSurvives(t *testing.T) {
	t.Parallel()
	at := api.Time{Time: time.Date(2026, 1, 2, 3, 4, 5, 6e6, time.UTC)}
	svc := &governed{
		Service: newScripted(),
		audit: []api.AuditRow{{
			ID: "i", Time: at, PeerID: "p", Name: "n\x1b", Act: "a", Target: "t", Did: "d<&>\u2028", Authority: "au", Rank: "r", Effective: true, Why: "w",
		}, {ID: "x"}},
		invitations: []api.Invitation{{ID: "i", RoomID: "r", Room: "ro", PeerID: "p", Name: "n", Reason: "re\u202e", Time: at}, {ID: "x"}},
		entry:       api.Entry{RoomID: "r", Standing: "s", Role: "o"},
		receipt:     api.Receipt{ID: "i", Conversation: "c", State: "s", Acked: 1, Members: 2},
	}
	dir, _, _ := serve(t, svc)
	c := dial(t, dir)
	password := []byte("\x00\xff open sesame\n")
	create := api.CreateRoomRequest{Name: "n", MembersOnly: true, Moderated: true, Password: password}
	join := api.JoinRoomRequest{Room: "#dev", Password: password}
	configure := api.ConfigureRequest{
		Room: "#dev", Set: []api.Setting{{Key: "description", Value: "<a>\u2028"}, {Key: "x", Value: ""}}, Password: password, NoPassword: true,
	}
	govern := api.GovernRequest{Room: "#dev", Act: "grant", Who: "w", Standing: "s", ID: "i", Reason: "<r>", Alternate: "al"}
	answer := api.AnswerRequest{Room: "#dev", Accept: true, Reason: "re", Nick: "ni", Wait: time.Second, Password: password}
	for call, tt := range map[string]struct {
		call        func() (any, error)
		asked, want any
	}{
		"audit":       {func() (any, error) { return c.Audit(t.Context(), "#dev") }, "#dev", svc.audit},
		"invitations": {func() (any, error) { return c.Invitations(t.Context()) }, "invitations", svc.invitations},
		"subject":     {func() (any, error) { return c.SetSubject(t.Context(), "#dev", "<s>") }, []string{"#dev", "<s>"}, svc.entry},
		"configure":   {func() (any, error) { return c.Configure(t.Context(), configure) }, configure, svc.entry},
		"govern":      {func() (any, error) { return c.Govern(t.Context(), govern) }, govern, svc.entry},
		"voice":       {func() (any, error) { return c.RequestVoice(t.Context(), "#dev") }, "#dev", svc.entry},
		"invite":      {func() (any, error) { return c.Invite(t.Context(), "#dev", "w", "r") }, []string{"#dev", "w", "r"}, svc.entry},
		"answer":      {func() (any, error) { return c.AnswerInvitation(t.Context(), answer) }, answer, svc.entry},
		"create":      {func() (any, error) { return c.CreateRoom(t.Context(), create) }, create, svc.entry},
		"join":        {func() (any, error) { return c.JoinRoom(t.Context(), join) }, join, svc.entry},
		"private": {
			func() (any, error) { return c.SendPrivate(t.Context(), "#dev", "w", "t\x00", time.Second) },
			[]any{"#dev", "w", "t\x00", time.Second},
			svc.receipt,
		},
	} {
		got, err := tt.call()
		if err != nil || !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s: got %+v (%v), want %+v", call, got, err, tt.want)
		}
		if !reflect.DeepEqual(svc.asked, tt.asked) {
			t.Errorf("%s: the node was asked %+v, want %+v", call, svc.asked, tt.asked)
		}
	}
}

// What JSON would change does not reach the node, nor does what is too much.
func TestGovernmentRefused(t *testing.T) {
	t.Parallel()
	svc := &governed{Service: newScripted()}
	dir, _, _ := serve(t, svc)
	c := dial(t, dir)
	ctx := t.Context()
	configure := func(s api.Setting) error {
		_, err := c.Configure(ctx, api.ConfigureRequest{Room: "a", Set: []api.Setting{s}})
		return err
	}
	govern := func(r api.GovernRequest) error { _, err := c.Govern(ctx, r); return err }
	answer := func(r api.AnswerRequest) error { _, err := c.AnswerInvitation(ctx, r); return err }
	subject := func(s string) error { _, err := c.SetSubject(ctx, "a", s); return err }
	invite := func(reason string) error { _, err := c.Invite(ctx, "a", "b", reason); return err }
	private := func(text string) error { _, err := c.SendPrivate(ctx, "a", "b", text, 0); return err }
	big := strings.Repeat("x", 1<<20)
	for what, tt := range map[string]struct {
		err  error
		want api.Code
	}{
		"a subject that is no text":         {subject("a\xff"), api.CodeBadText},
		"a long subject":                    {subject(big), api.CodeTooLong},
		"a setting that is no text":         {configure(api.Setting{Key: "name", Value: "a\xff"}), api.CodeBadText},
		"a key that is no text":             {configure(api.Setting{Key: "a\xff"}), api.CodeBadText},
		"a setting of a megabyte":           {configure(api.Setting{Key: "name", Value: big}), api.CodeTooLong},
		"a reason that is no text":          {govern(api.GovernRequest{Act: api.ActKick, Reason: "\xff"}), api.CodeBadText},
		"a person of a megabyte":            {govern(api.GovernRequest{Act: api.ActKick, Who: big}), api.CodeTooLong},
		"an invitation's reason":            {invite("\xff"), api.CodeBadText},
		"an answer's reason":                {answer(api.AnswerRequest{Reason: "\xff"}), api.CodeBadText},
		"an answer's nick":                  {answer(api.AnswerRequest{Nick: "\xff"}), api.CodeBadText},
		"a password of a megabyte":          {answer(api.AnswerRequest{Password: []byte(big)}), api.CodeTooLong},
		"a private message that is none":    {private(""), api.CodeBadText},
		"a private message that is no text": {private("\xff"), api.CodeBadText},
		"a long private message":            {private(strings.Repeat("x", api.MaxText+1)), api.CodeTooLong},
	} {
		if !api.IsCode(tt.err, tt.want) {
			t.Errorf("%s: %v, want code %s", what, tt.err, tt.want)
		}
	}
	if svc.asked != nil {
		t.Errorf("the node was asked %+v", svc.asked)
	}
}
