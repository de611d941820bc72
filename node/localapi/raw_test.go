package localapi_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"p2pchat/node/localapi"
)

// raw is a connection of somebody who speaks to the socket by hand.
type raw struct {
	t    *testing.T
	conn net.Conn
	in   *bufio.Reader
}

func connect(t *testing.T, dir string) raw {
	t.Helper()
	path, err := localapi.SocketPath(dir)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return raw{t: t, conn: conn, in: bufio.NewReader(conn)}
}

// write sends text; a server that has seen enough may have closed already.
func (r raw) write(text string) { _, _ = io.WriteString(r.conn, text) }

func (r raw) readUntil(want string) {
	r.t.Helper()
	var got strings.Builder
	for !strings.Contains(got.String(), want) {
		b, err := r.in.ReadByte()
		if err != nil {
			r.t.Fatalf("got %q, then %v, want %q", got.String(), err, want)
		}
		got.WriteByte(b)
	}
}

// answer reads a response.
func (r raw) answer() (status int, header http.Header, body string) {
	r.t.Helper()
	a, err := http.ReadResponse(r.in, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	defer a.Body.Close()
	b, err := io.ReadAll(a.Body)
	// An answer without a length lasts until the server closes, which it may
	// do with a request half read: that resets the connection.
	if err != nil && a.ContentLength >= 0 {
		r.t.Fatal(err)
	}
	return a.StatusCode, a.Header, string(b)
}
