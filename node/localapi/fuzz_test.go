package localapi

import (
	"context"
	"encoding/json"
	"iter"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"p2pchat/node/api"
)

// echo is a service that remembers what it was asked.
type echo struct {
	api.Service
	asked any
}

func (e *echo) Whoami(context.Context) (api.Identity, error) { return api.Identity{}, nil }

func (e *echo) Log(_ context.Context, q api.LogQuery) ([]api.Message, error) {
	e.asked = q
	return []api.Message{}, nil
}

func (e *echo) Search(_ context.Context, q api.SearchQuery) ([]api.Message, error) {
	e.asked = q
	return []api.Message{}, nil
}

func (e *echo) Send(_ context.Context, r api.SendRequest) (api.Receipt, error) {
	e.asked = r
	return api.Receipt{}, nil
}

func (e *echo) Await(_ context.Context, sent api.Receipt, wait time.Duration) (api.Receipt, error) {
	e.asked = await{Sent: sent, Wait: wait}
	return api.Receipt{}, nil
}

func (e *echo) Edit(_ context.Context, r api.AmendRequest) (api.Receipt, error) {
	e.asked = r
	return api.Receipt{}, nil
}

func (e *echo) Retract(ctx context.Context, r api.AmendRequest) (api.Receipt, error) {
	return e.Edit(ctx, r)
}

func (e *echo) React(ctx context.Context, r api.AmendRequest) (api.Receipt, error) {
	return e.Edit(ctx, r)
}

func (e *echo) MarkRead(_ context.Context, target, id string) error {
	e.asked = markRead{Target: target, ID: id}
	return nil
}

func (e *echo) SetAway(_ context.Context, isAway bool, text string) error {
	e.asked = away{Away: isAway, Text: text}
	return nil
}

func (e *echo) CreateRoom(_ context.Context, r api.CreateRoomRequest) (api.Entry, error) {
	e.asked = r
	return api.Entry{}, nil
}

func (e *echo) JoinRoom(_ context.Context, r api.JoinRoomRequest) (api.Entry, error) {
	e.asked = r
	return api.Entry{}, nil
}

func (e *echo) Rooms(_ context.Context, all bool) ([]api.Room, error) {
	e.asked = rooms{All: all}
	return []api.Room{}, nil
}

func (e *echo) PingRoom(_ context.Context, room string, wait time.Duration) (api.Entry, error) {
	e.asked = roomPing{Room: room, Wait: wait}
	return api.Entry{}, nil
}

func (e *echo) Watch(_ context.Context, since uint64) iter.Seq2[api.Change, error] {
	e.asked = watch{Since: since}
	return func(func(api.Change, error) bool) {}
}

// FuzzRequest: whatever the body, the service is asked what the body says or
// nothing at all, and the answer is JSON that says which.
func FuzzRequest(f *testing.F) {
	f.Add("send", []byte(`{"target":"bob","text":"hi","wait":10000000000}`))
	f.Add("await", []byte(`{"sent":{"id":"00","state":"queued","members":1},"wait":10000000000}`))
	f.Add("edit", []byte(`{"target":"bob","id":"01234567","text":"hi","wait":1}`))
	f.Add("react", []byte(`{"target":"bob","id":"01234567","text":"+1","undo":true}`))
	f.Add("log", []byte(`{"target":"bob","last":50,"since":"2026-01-02T03:04:05.006Z","before":"00","all":true}`))
	f.Add("search", []byte(`{"words":"hi from:bob","last":50}`))
	f.Add("read", []byte(`{"target":"@bob","id":"00"}`))
	f.Add("away", []byte(`{"away":true,"text":"\ud800"}`))
	f.Add("watch", []byte(`{"since":18446744073709551615}`))
	f.Add("whoami", []byte(""))
	f.Add("room/create", []byte(`{"name":"dev","hidden":true,"history":"24h","nick":"al"}`))
	f.Add("room/join", []byte(`{"room":"#dev","nick":"al","wait":1000}`))
	f.Add("room/ping", []byte(`{"room":"#dev","wait":-1}`))
	f.Add("rooms", []byte(`{"all":true}`))
	f.Add("../v1/send", []byte(`null`))
	f.Add("send", []byte("{\"target\":\"\xff\"}"))
	f.Fuzz(func(t *testing.T, method string, body []byte) {
		svc := &echo{}
		server := NewServer(svc, slog.New(slog.DiscardHandler))
		r := httptest.NewRequest(http.MethodPost, "http://"+host+"/", strings.NewReader(string(body)))
		r.URL.Path = prefix + method
		switch method {
		case "attach", "peers", "conversations", "status", "peers/add", "peers/remove", "peers/verify", "peers/block", "typing", "diagnose", "capture-target", "shutdown",
			"room/leave", "room/members", "room/status", "room/state":
			return // no bodies of their own kind, or echo does not have them
		}
		w := httptest.NewRecorder()
		server.http.Handler.ServeHTTP(w, r)
		if server.Attached() != 0 {
			t.Fatal("the request is counted as under way")
		}

		// A request of its type, decoded as encoding/json does it.
		var want any
		var err error
		decode := func(v any) {
			if len(body) > 0 {
				err = json.Unmarshal(body, v)
			}
			want = reflect.ValueOf(v).Elem().Interface()
		}
		switch method {
		case "send":
			decode(new(api.SendRequest))
		case "await":
			decode(new(await))
		case "edit", "retract", "react":
			decode(new(api.AmendRequest))
		case "log":
			decode(new(api.LogQuery))
		case "search":
			decode(new(api.SearchQuery))
		case "read":
			decode(new(markRead))
		case "away":
			decode(new(away))
		case "watch":
			decode(new(watch))
		case "room/create":
			decode(new(api.CreateRoomRequest))
		case "room/join":
			decode(new(api.JoinRoomRequest))
		case "room/ping":
			decode(new(roomPing))
		case "rooms":
			decode(new(rooms))
		case "whoami":
			decode(new(none))
			want = nil
		default:
			if w.Code == http.StatusOK {
				t.Fatalf("method %q was served", method)
			}
			return
		}
		if (err == nil) != (w.Code == http.StatusOK) {
			t.Fatalf("status %d for a body that decodes with error %v", w.Code, err)
		}
		if err == nil {
			if !reflect.DeepEqual(svc.asked, want) {
				t.Fatalf("the service was asked %+v, want %+v", svc.asked, want)
			}
			return
		}
		var failed failure
		if e := json.Unmarshal(w.Body.Bytes(), &failed); e != nil || failed.Error == nil || failed.Error.Code == "" || svc.asked != nil {
			t.Fatalf("refused with %q (%v) after asking %+v", w.Body, e, svc.asked)
		}
	})
}
