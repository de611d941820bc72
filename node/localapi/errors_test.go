package localapi_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"p2pchat/node/api"
	"p2pchat/node/api/apitest"
	"p2pchat/node/localapi"
)

// scripted is a node with some answers of its own.
type scripted struct {
	api.Service
	err      error
	started  chan struct{} // closed when a send waits
	released chan error    // what ended the send's context
	changes  []api.Change
}

func newScripted() *scripted {
	_, alice, _ := apitest.NewFixture()
	// One send, one end.
	return &scripted{Service: alice, started: make(chan struct{}), released: make(chan error, 1)}
}

func (s *scripted) RemovePeer(context.Context, string) error { return s.err }

func (s *scripted) Send(ctx context.Context, _ api.SendRequest) (api.Receipt, error) {
	close(s.started)
	<-ctx.Done()
	s.released <- ctx.Err()
	return api.Receipt{}, ctx.Err()
}

func (s *scripted) Watch(context.Context, uint64) iter.Seq2[api.Change, error] {
	return func(yield func(api.Change, error) bool) {
		for _, c := range s.changes {
			if !yield(c, nil) {
				return
			}
		}
		if s.err != nil {
			yield(api.Change{}, s.err)
		}
	}
}

func TestErrorsSurvive(t *testing.T) {
	t.Parallel()
	ambiguous := api.Errorf(api.CodeAmbiguous, "two are called %q", "bob")
	ambiguous.Candidates = []string{"12D3KooWA", "12D3KooWB"}
	tests := []struct {
		err        error
		code       api.Code
		message    string
		candidates []string
	}{
		{ambiguous, api.CodeAmbiguous, `two are called "bob"`, ambiguous.Candidates},
		{fmt.Errorf("removing: %w", ambiguous), api.CodeAmbiguous, `two are called "bob"`, ambiguous.Candidates},
		{errors.New("it broke\x1b[2J"), api.CodeInternal, "it broke\x1b[2J", nil},
		{context.DeadlineExceeded, api.CodeInternal, context.DeadlineExceeded.Error(), nil}, // the node's own
		{api.Errorf("of-the-future", "no idea"), "of-the-future", "no idea", nil},
		{api.Errorf(api.CodeDiskFull, "write: %w", net.ErrClosed), api.CodeDiskFull, "write: " + net.ErrClosed.Error(), nil},
	}
	for _, code := range []api.Code{
		api.CodeInternal, api.CodeNoNode, api.CodeAccountExists, api.CodeDiskFull, api.CodeDamaged, api.CodeUsage,
		api.CodeTooLong, api.CodeBadText, api.CodeNotDelivered, api.CodeNotJoined, api.CodeForbidden, api.CodeNotFound,
		api.CodeBanned, api.CodeMembershipRequired, api.CodeNotAuthorized, api.CodeFull, api.CodeNickConflict, api.CodeDestroyed, api.CodeTooFast,
		api.CodeNoAccount, api.CodeWrongPassword, api.CodeInUse, api.CodeNetworkFilesystem, api.CodeNewerDatabase,
		api.CodeNoPermission, api.CodeUnsupported,
	} {
		tests = append(tests, struct {
			err        error
			code       api.Code
			message    string
			candidates []string
		}{api.Errorf(code, "it was %s", code), code, "it was " + string(code), nil})
	}
	svc := newScripted()
	dir, _, _ := serve(t, svc)
	c := dial(t, dir)
	for _, tt := range tests {
		svc.err = tt.err
		watched := errors.New("the watch ended without an error")
		for _, err := range c.Watch(t.Context(), 0) {
			watched = err
		}
		for call, err := range map[string]error{"remove peer": c.RemovePeer(t.Context(), "bob"), "watch": watched} {
			var got *api.Error
			if !errors.As(err, &got) || got.Code != tt.code || got.Message != tt.message || !slices.Equal(got.Candidates, tt.candidates) {
				t.Errorf("%s: %#v arrived as %#v", call, tt.err, err)
			}
		}
	}
}

// A client that gives up ends the work done for it.
func TestCancelReachesTheNode(t *testing.T) {
	t.Parallel()
	svc := newScripted()
	dir, _, _ := serve(t, svc)
	c := dial(t, dir)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error, 1) // the one result
	go func() {                 // ends with ctx
		_, err := c.Send(ctx, api.SendRequest{Target: "bob", Text: "hi", Wait: time.Hour})
		done <- err
	}()
	<-svc.started
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("the client got %v", err)
	}
	if err := <-svc.released; !errors.Is(err, context.Canceled) {
		t.Errorf("the node's call ended with %v", err)
	}
}

// Every field of every change arrives, and types nobody knows yet as well.
func TestChangesSurvive(t *testing.T) {
	t.Parallel()
	rtt, transport, at := 0.25, "tcp", api.Time{Time: time.Date(2026, 1, 2, 3, 4, 5, 6e6, time.UTC)}
	conversation := api.Conversation{ID: "c", Kind: api.KindDirect, Target: "t", Name: "n", PeerID: "p", Unread: 3, LastTime: at, ReadByOther: "r"}
	peer := api.Peer{
		Name: "n\u202e\x1b", PeerID: "p", Fingerprint: "f", Addrs: []string{"a"}, Via: "v", State: "s", RTT: &rtt,
		LastSeen: at, Verified: true, Away: true, Status: "st", Transport: &transport, Warning: "w",
	}
	room := api.Room{
		RoomID: "r", Name: "n\u202e<", Subject: "s", Description: "d", Visible: true, Access: "a", Moderated: true, Password: true,
		Joined: true, Occupants: 4, Unread: 5, Logging: true, Destroyed: true, Standing: "st", Role: "ro", Nick: "ni",
	}
	svc := newScripted()
	svc.changes = []api.Change{
		{Seq: 1, Type: api.ChangeSnapshot, Snapshot: &api.Snapshot{
			Self:  api.Identity{PeerID: "p", Name: "n", Fingerprint: "f"},
			Peers: []api.Peer{peer}, Conversations: []api.Conversation{conversation},
			Rooms: []api.Room{room, {RoomID: "x"}}, Notices: []string{},
		}},
		{Seq: 2, Type: api.ChangePeer, Peer: &peer},
		{Seq: 3, Type: api.ChangePeerRemoved, PeerID: "p"},
		{Seq: 4, Type: api.ChangeMessage, Message: &api.Message{
			Reactions: []api.Reaction{{Text: "x", By: []string{"p"}}},
			ID:        "i", Conversation: "c", Author: "a", Name: "n", Nick: "ni", Time: at, Log: "l", Seq: 1 << 63, Kind: "k",
			Text: strings.Repeat("\x00", api.MaxText), State: "s", Verified: true, Skewed: true, Forked: true, Retracted: true, Room: "r",
		}},
		{Seq: 5, Type: api.ChangeState, State: &api.StateChange{Conversation: "c", Log: "l", Seq: 7, State: "s"}},
		{Seq: 6, Type: api.ChangeConversation, Conversation: &conversation},
		{Seq: 7, Type: api.ChangeTyping, Typing: &api.Typing{Conversation: "c", PeerID: "p"}},
		{Seq: 8, Type: api.ChangeNotice, Notice: "n"},
		{Seq: 9, Type: api.ChangeLagged},
		{Seq: 10, Type: api.ChangeRoom, Room: &room},
		{Seq: 11, Type: api.ChangeRoomLeft, Room: &api.Room{RoomID: "r"}},
		{Seq: 12, Type: api.ChangeMember, Member: &api.MemberChange{RoomID: "r", Gone: true, Member: api.Member{
			PeerID: "p", Name: "n", Nick: "ni", Standing: "s", Role: "r", Presence: "pr", Self: true, Warning: "w",
		}}},
		{Seq: 13, Type: api.ChangeMember, Member: &api.MemberChange{RoomID: "r", Member: api.Member{PeerID: "p"}}},
		{Seq: 14, Type: api.ChangeHidden, Hidden: &api.Hidden{Conversation: "c", ID: "i"}},
		{Seq: 15, Type: api.ChangeInvitation, Invitation: &api.Invitation{
			ID: "i", RoomID: "r", Room: "n", PeerID: "p", Name: "n", Reason: "re", Time: at,
		}},
		{Seq: 16, Type: api.ChangeVoiceRequest, VoiceRequest: &api.VoiceRequest{RoomID: "r", PeerID: "p", Name: "n"}},
		{Seq: 1<<64 - 1, Type: "of-the-future"},
	}
	dir, _, _ := serve(t, svc)
	var got []api.Change
	for c, err := range dial(t, dir).Watch(t.Context(), 0) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, c)
	}
	if !reflect.DeepEqual(got, svc.changes) {
		t.Errorf("got %+v\nwant %+v", got, svc.changes)
	}
}

// stranger is a node of another version, or a broken one: answers by method.
func stranger(t *testing.T, answers map[string]func(net.Conn, http.ResponseWriter)) *localapi.Client {
	t.Helper()
	dir := t.TempDir()
	l, err := localapi.Listen(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if answer, ok := answers[strings.TrimPrefix(r.URL.Path, "/v1/")]; ok {
			conn, _ := r.Context().Value(connKey{}).(net.Conn)
			answer(conn, w)
			return
		}
		http.NotFound(w, r)
	}), ConnContext: func(ctx context.Context, c net.Conn) context.Context {
		return context.WithValue(ctx, connKey{}, c)
	}}
	over := make(chan struct{})
	go func() { // ends when the server is closed
		defer close(over)
		_ = server.Serve(l)
	}()
	t.Cleanup(func() {
		server.Close()
		<-over
	})
	return dial(t, dir)
}

type connKey struct{}

func text(s string) func(net.Conn, http.ResponseWriter) {
	return func(_ net.Conn, w http.ResponseWriter) { fmt.Fprint(w, s) }
}

// cut says s and breaks the connection.
func cut(s string) func(net.Conn, http.ResponseWriter) {
	return func(c net.Conn, w http.ResponseWriter) {
		fmt.Fprint(w, s)
		_ = http.NewResponseController(w).Flush()
		c.Close()
	}
}

func TestNodeOfTheFuture(t *testing.T) {
	t.Parallel()
	c := stranger(t, map[string]func(net.Conn, http.ResponseWriter){
		"attach": text(`{"api":99,"motto":"` + strings.Repeat("x", 10_000) + `"}` + "\n"),
		"whoami": text(`{"name":"alice","peer_id":"p","shoe_size":44}`),
		"log":    text(`[{"id":"1","kind":"hologram","mood":{"a":[1]}}]`),
		"watch": text(`{"seq":1,"type":"hologram","hologram":{"x":1}}` + "\n" +
			`{"seq":2,"type":"notice","notice":"hi","level":3}` + "\n"),
		"status": func(_ net.Conn, w http.ResponseWriter) {
			w.WriteHeader(http.StatusTeapot)
			fmt.Fprint(w, `{"error":{"code":"teapot","message":"short and stout","spout":1}}`)
		},
	})
	if self, err := c.Whoami(t.Context()); err != nil || self.Name != "alice" {
		t.Errorf("whoami: %+v, %v", self, err)
	}
	if log, err := c.Log(t.Context(), api.LogQuery{}); err != nil || len(log) != 1 || log[0].Kind != "hologram" {
		t.Errorf("log: %+v, %v", log, err)
	}
	if _, err := c.Status(t.Context()); !api.IsCode(err, "teapot") {
		t.Errorf("status: %v", err)
	}
	if _, err := c.Diagnose(t.Context()); !api.IsCode(err, api.CodeInternal) {
		t.Errorf("a method it does not have: %v", err)
	}
	var seen []api.ChangeType
	for change, err := range c.Watch(t.Context(), 0) {
		if err != nil {
			t.Fatal(err)
		}
		seen = append(seen, change.Type)
	}
	if !slices.Equal(seen, []api.ChangeType{"hologram", api.ChangeNotice}) {
		t.Errorf("watch: %q", seen)
	}
}

func TestNodeVanishes(t *testing.T) {
	t.Parallel()
	c := stranger(t, map[string]func(net.Conn, http.ResponseWriter){
		"attach": text("{}\n"),
		"whoami": cut(`{"name":"al`),
		"peers":  text(`[{"name":`), // complete, and nonsense
		"status": cut(""),
		"watch":  cut(`{"seq":1,"type":"notice","notice":"hi"}` + "\n" + `{"seq":`),
	})
	for call, test := range map[string]struct {
		call func(context.Context) error
		want api.Code
	}{
		"whoami": {func(ctx context.Context) error { _, err := c.Whoami(ctx); return err }, api.CodeNoNode},
		"status": {func(ctx context.Context) error { _, err := c.Status(ctx); return err }, api.CodeNoNode},
		"peers":  {func(ctx context.Context) error { _, err := c.Peers(ctx); return err }, api.CodeInternal},
	} {
		if err := test.call(t.Context()); !api.IsCode(err, test.want) {
			t.Errorf("%s: %v, want code %s", call, err, test.want)
		}
	}
	var errs []error
	for change, err := range c.Watch(t.Context(), 0) {
		if err != nil {
			errs = append(errs, err)
		} else if change.Seq != 1 {
			t.Errorf("watch yielded %+v", change)
		}
	}
	if len(errs) != 1 || !api.IsCode(errs[0], api.CodeNoNode) {
		t.Errorf("watch of a node that vanished: %v", errs)
	}
	<-c.Done()
}
