package localapi_test

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"p2pchat/node/api"
	"p2pchat/node/localapi"
)

// It is known of every call that failed whether a node can have carried it out.
func TestNotTaken(t *testing.T) {
	t.Parallel()
	for what, c := range map[string]struct {
		answer string // to the header of the call
		taken  bool
	}{
		"gone before it heard":  {"", false},
		"refused at the door":   {"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\n\r\n" + `{"error":{"code":"no-node","message":"stopping"}}`, false},
		"gone when it had it":   {"HTTP/1.1 100 Continue\r\n\r\n", true},
		"gone while it answers": {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{", true},
	} {
		dir := t.TempDir()
		path, err := localapi.SocketPath(dir)
		if err != nil {
			t.Fatal(err)
		}
		l, err := net.Listen("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		served := make(chan struct{})
		go func() { // ends with the two requests of the client
			defer close(served)
			defer l.Close()
			holder, _ := accepted(t, l)
			defer holder.Close()
			_, _ = io.WriteString(holder, "HTTP/1.1 200 OK\r\n\r\n{}\n")
			call, r := accepted(t, l)
			defer call.Close()
			_, _ = io.WriteString(call, c.answer)
			if c.taken {
				_, _ = r.ReadString('}')
			}
		}()
		client, err := localapi.Dial(t.Context(), dir)
		if err != nil {
			t.Fatal(err)
		}
		_, err = client.Send(t.Context(), api.SendRequest{Target: "bob", Text: "hi"})
		if !api.IsCode(err, api.CodeNoNode) || errors.Is(err, localapi.ErrNotTaken) == c.taken || strings.Contains(err.Error(), "http") {
			t.Errorf("%s: %v", what, err)
		}
		<-served
		_ = client.Close()
	}
}

// accepted is a connection whose first request's header was read.
func accepted(t *testing.T, l net.Listener) (net.Conn, *bufio.Reader) {
	conn, err := l.Accept()
	if err != nil {
		t.Error(err)
		return nil, nil
	}
	r := bufio.NewReader(conn)
	if _, err := http.ReadRequest(r); err != nil {
		t.Error(err)
	}
	return conn, r
}
