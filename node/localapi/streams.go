package localapi

import (
	"encoding/json"
	"net/http"
	"time"
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
	write := s.stream(w)
	for change, failed := range s.svc.Watch(r.Context(), request.Since) {
		if failed != nil {
			_ = write(failure{Error: explain(r.Context(), failed)})
			return
		}
		if write(line{Change: change}) != nil {
			return // the client is gone
		}
	}
}
