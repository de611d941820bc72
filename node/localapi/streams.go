package localapi

import (
	"context"
	"encoding/json"
	"net/http"
	"time"
)

// stream begins an answer of JSON lines and returns what writes one. Writing
// has no deadline until the server stops: a face that is suspended for an hour
// reads on where it was.
func (s *Server) stream(w http.ResponseWriter, r *http.Request) (write func(any) error, end func()) {
	rc := http.NewResponseController(w)
	_ = rc.SetWriteDeadline(time.Time{})
	stop := context.AfterFunc(r.Context(), func() {
		_ = rc.SetWriteDeadline(time.Now().Add(stopTimeout / 2))
	})
	w.Header().Set("Content-Type", "application/jsonl")
	encoder := json.NewEncoder(w)
	return func(value any) error {
		if err := encoder.Encode(value); err != nil {
			return err
		}
		return rc.Flush()
	}, func() { stop() }
}

// attach holds the node until the client goes away or the server stops.
func (s *Server) attach(w http.ResponseWriter, r *http.Request) {
	if _, err := read[none](w, r); err != nil {
		fail(w, status(err.Code), err)
		return
	}
	write, end := s.stream(w, r)
	defer end()
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
	write, end := s.stream(w, r)
	defer end()
	for change, failed := range s.svc.Watch(r.Context(), request.Since) {
		if failed != nil {
			_ = write(failure{Error: explain(r.Context(), failed)})
			return
		}
		if write(line{Change: change}) != nil {
			return // the client is gone, or reads too slowly for a server that stops
		}
	}
}
