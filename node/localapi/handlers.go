package localapi

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"time"

	"p2pchat/node/api"
)

func (s *Server) handler() http.Handler {
	mux := http.NewServeMux()
	handle := func(method string, h http.HandlerFunc) { mux.HandleFunc(prefix+method, h) }
	svc := s.svc
	handle("attach", s.attach)
	handle("watch", s.watch)
	handle("capture-secrets", s.captureSecrets)
	handle("whoami", call(func(ctx context.Context, _ none) (api.Identity, error) { return svc.Whoami(ctx) }))
	handle("peers", call(func(ctx context.Context, _ none) ([]api.Peer, error) { return svc.Peers(ctx) }))
	handle("conversations", call(func(ctx context.Context, _ none) ([]api.Conversation, error) { return svc.Conversations(ctx) }))
	handle("log", call(svc.Log))
	handle("search", call(svc.Search))
	s.handleRooms(handle)
	handle("status", call(func(ctx context.Context, _ none) (api.Status, error) { return svc.Status(ctx) }))
	handle("peers/add", call(func(ctx context.Context, r peerAdd) (none, error) { return none{}, svc.AddPeer(ctx, r.Addr) }))
	handle("peers/remove", call(func(ctx context.Context, r peerRemove) (none, error) { return none{}, svc.RemovePeer(ctx, r.Who) }))
	handle("peers/verify", call(func(ctx context.Context, r peerMark) (api.Verification, error) {
		return svc.Verify(ctx, r.Who, r.Undo)
	}))
	handle("peers/block", call(func(ctx context.Context, r peerMark) (api.Blocking, error) {
		return svc.Block(ctx, r.Who, r.Undo)
	}))
	handle("storage", call(func(ctx context.Context, _ none) (api.Storage, error) { return svc.Storage(ctx) }))
	handle("storage/limit", call(svc.SetRetention))
	handle("send", call(s.send))
	handle("await", call(func(ctx context.Context, r await) (api.Receipt, error) { return stored(svc.Await(ctx, r.Sent, r.Wait)) }))
	handle("edit", call(func(ctx context.Context, r api.AmendRequest) (api.Receipt, error) { return stored(s.svc.Edit(ctx, r)) }))
	handle("retract", call(func(ctx context.Context, r api.AmendRequest) (api.Receipt, error) {
		return stored(s.svc.Retract(ctx, r))
	}))
	handle("react", call(func(ctx context.Context, r api.AmendRequest) (api.Receipt, error) { return stored(s.svc.React(ctx, r)) }))
	handle("read", call(func(ctx context.Context, r markRead) (none, error) { return none{}, svc.MarkRead(ctx, r.Target, r.ID) }))
	handle("typing", call(func(ctx context.Context, r typing) (none, error) { return none{}, svc.Typing(ctx, r.Target) }))
	handle("away", call(func(ctx context.Context, r away) (none, error) { return none{}, svc.SetAway(ctx, r.Away, r.Text) }))
	handle("diagnose", call(func(ctx context.Context, _ none) ([]api.Finding, error) { return svc.Diagnose(ctx) }))
	handle("capture-target", call(func(ctx context.Context, _ none) (api.CaptureTarget, error) { return svc.CaptureTarget(ctx) }))
	handle("shutdown", call(func(ctx context.Context, _ none) (none, error) { return none{}, svc.Shutdown(ctx) }))
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		fail(w, http.StatusNotFound, api.Errorf(api.CodeUnsupported, "this node knows no %s", r.URL.Path))
	})
	return s.guard(mux)
}

// guard lets through what a face on this machine would send, counts it, and
// clears what the last request on the connection set.
func (s *Server) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rc := http.NewResponseController(w)
		_ = rc.SetWriteDeadline(time.Now().Add(writeTimeout)) // fails only on a dead connection
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		switch {
		case r.Host != host:
			s.refuse(w, r, "Host is not "+host)
		case len(r.Header.Values("Origin")) > 0:
			s.refuse(w, r, "it comes from a web page")
		case r.Method != http.MethodPost:
			w.Header().Set("Allow", http.MethodPost)
			fail(w, http.StatusMethodNotAllowed, api.Errorf(api.CodeUsage, "every method is called with POST"))
		case !s.enter():
			fail(w, http.StatusServiceUnavailable, api.Errorf(api.CodeNoNode, "the node is stopping"))
		default:
			defer s.leave()
			next.ServeHTTP(w, r)
		}
	})
}

func (s *Server) refuse(w http.ResponseWriter, r *http.Request, why string) {
	s.log.Warn("request refused", "why", why, "host", r.Host, "origin", r.Header.Get("Origin"))
	w.Header().Set("Connection", "close")
	fail(w, http.StatusForbidden, api.Errorf(api.CodeForbidden, "request refused: %s", why))
}

// call makes a handler of a method that takes and gives one value.
func call[Request, Answer any](method func(context.Context, Request) (Answer, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		request, err := read[Request](w, r)
		if err != nil {
			fail(w, status(err.Code), err)
			return
		}
		answer, failed := method(r.Context(), request)
		// The call took as long as its client liked to wait.
		_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(writeTimeout))
		if failed != nil {
			err := explain(r.Context(), failed)
			fail(w, status(err.Code), err)
			return
		}
		reply(w, http.StatusOK, answer)
	}
}

// read decodes a request's body.
func read[Request any](w http.ResponseWriter, r *http.Request) (request Request, _ *api.Error) {
	if r.Body != http.NoBody {
		// net/http lifts it at the end of the body, where it begins to watch
		// for the client's end; without a body it has begun already.
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(headerTimeout))
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequest))
	var tooBig *http.MaxBytesError
	switch {
	case errors.As(err, &tooBig):
		return request, api.Errorf(api.CodeTooLong, "the request is over %d bytes long", maxRequest)
	case err != nil:
		return request, api.Errorf(api.CodeUsage, "the request did not arrive: %w", err)
	case len(body) == 0:
		return request, nil
	}
	if err := json.Unmarshal(body, &request); err != nil {
		return request, api.Errorf(api.CodeUsage, "the request is malformed: %w", err)
	}
	return request, nil
}

// explain makes an error of a call presentable: one cut short while its client
// still listens was cut short by the server's end.
func explain(ctx context.Context, err error) *api.Error {
	if ctx.Err() != nil && (errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)) {
		return api.Errorf(api.CodeNoNode, "the node is stopping")
	}
	return api.AsError(err)
}

// send is a call whose effect outlives it: if the server stops while it waits
// for the receipt, the client still learns that its message is stored.
func (s *Server) send(ctx context.Context, r api.SendRequest) (api.Receipt, error) {
	return stored(s.svc.Send(ctx, r))
}

func stored(receipt api.Receipt, err error) (api.Receipt, error) {
	if receipt.ID != "" && errors.Is(err, context.Canceled) {
		return receipt, nil
	}
	return receipt, err
}

func fail(w http.ResponseWriter, status int, err *api.Error) {
	sent := *err
	sent.Candidates = slices.Clone(err.Candidates)
	reply(w, status, failure{Error: &sent})
}

func reply(w http.ResponseWriter, status int, value any) {
	body, err := json.Marshal(value)
	if err != nil {
		status = http.StatusInternalServerError
		body = []byte(`{"error":{"code":"internal","message":"the answer cannot be encoded"}}`)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n')) // fails only if the client is gone
}
