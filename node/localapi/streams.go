package localapi

import (
	"encoding/json"
	"iter"
	"net/http"
	"time"

	"p2pchat/node/api"
)

// stream begins an answer of JSON lines and returns what writes one. Writing
// has no deadline: a face that is suspended for an hour reads on where it was.
// A server that stops closes the connection under one that does not read.
func (s *Server) stream(w http.ResponseWriter) (write func(any) error) {
	rc := http.NewResponseController(w)
	_ = rc.SetWriteDeadline(time.Time{})
	w.Header().Set("Content-Type", "application/jsonl")
	encoder := json.NewEncoder(w)
	return func(value any) error {
		if err := encoder.Encode(value); err != nil {
			return err
		}
		return rc.Flush()
	}
}

// attach holds the node until the client goes away or the server stops.
func (s *Server) attach(w http.ResponseWriter, r *http.Request) {
	if _, err := read[none](w, r); err != nil {
		fail(w, status(err.Code), err)
		return
	}
	write := s.stream(w)
	if write(hello{API: apiVersion}) == nil {
		<-r.Context().Done()
	}
}

// watch passes changes on as fast as the client reads them.
func (s *Server) watch(w http.ResponseWriter, r *http.Request) {
	request, err := read[watch](w, r)
	if err != nil {
		fail(w, status(err.Code), err)
		return
	}
	pass(s, w, r, s.svc.Watch(r.Context(), request.Since), func(c api.Change) any { return line{Change: c} })
}

// captureSecrets passes secrets on.
func (s *Server) captureSecrets(w http.ResponseWriter, r *http.Request) {
	if _, err := read[none](w, r); err != nil {
		fail(w, status(err.Code), err)
		return
	}
	pass(s, w, r, s.svc.CaptureSecrets(r.Context()), func(secret api.Secret) any { return secretLine{Secret: secret} })
}

// pass writes what an iterator yields, each as a line.
func pass[T any](s *Server, w http.ResponseWriter, r *http.Request, items iter.Seq2[T, error], line func(T) any) {
	write := s.stream(w)
	for item, failed := range items {
		if failed != nil {
			_ = write(failure{Error: explain(r.Context(), failed)})
			return
		}
		if write(line(item)) != nil {
			return // the client is gone
		}
	}
}
