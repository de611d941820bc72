package localapi

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"p2pchat/node/api"
	"p2pchat/node/api/apitest"
)

// pipes is a listener in memory, whose connections keep synctest's time.
type pipes struct {
	conns chan net.Conn // unbuffered: a dial returns when it is accepted
	over  chan struct{}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.over:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	select {
	case <-p.over:
	default:
		close(p.over)
	}
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe", Net: "unix"} }

func (p *pipes) dial() net.Conn {
	here, there := net.Pipe()
	p.conns <- there
	return here
}

// inBubble runs test with a server in time that passes when all wait.
func inBubble(t *testing.T, test func(t *testing.T, l *pipes, f apitest.Fixture)) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f, alice, _ := apitest.NewFixture()
		l := &pipes{conns: make(chan net.Conn), over: make(chan struct{})}
		ctx, cancel := context.WithCancel(t.Context())
		over := make(chan error, 1) // the one result
		go func() {                 // ends with ctx
			over <- NewServer(alice, slog.New(slog.DiscardHandler)).Serve(ctx, l)
		}()
		test(t, l, f)
		stopped := time.Now()
		cancel()
		if err := <-over; err != nil {
			t.Errorf("serve: %v", err)
		}
		if took := time.Since(stopped); took >= stopTimeout {
			t.Errorf("the server took %v to stop", took)
		}
	})
}

func post(t *testing.T, conn net.Conn, method, body string) *http.Response {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+host+prefix+method, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Write(conn); err != nil {
		t.Fatal(err)
	}
	answer, err := http.ReadResponse(bufio.NewReader(conn), r)
	if err != nil {
		t.Fatalf("%s: %v", method, err)
	}
	return answer
}

// No deadline that is meant for a request cuts its answer short.
func TestLongWait(t *testing.T) {
	inBubble(t, func(t *testing.T, l *pipes, f apitest.Fixture) {
		f.BobLeaves()
		conn := l.dial()
		defer conn.Close()
		begun := time.Now()
		for range 2 { // also on a connection that is used again
			answer := post(t, conn, "send", `{"target":"bob","text":"hi","wait":86400000000000}`)
			body, err := io.ReadAll(answer.Body)
			if err != nil || answer.StatusCode != http.StatusOK || !strings.Contains(string(body), `"queued"`) {
				t.Errorf("after %v: %s %s, %v", time.Since(begun), answer.Status, body, err)
			}
		}
		if passed := time.Since(begun); passed != 48*time.Hour {
			t.Errorf("two waits of a day took %v", passed)
		}
	})
}

func TestLongWatch(t *testing.T) {
	for name, body := range map[string]string{"with a body": "{}", "without a body": ""} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, l *pipes, f apitest.Fixture) { testLongWatch(t, l, f, body) })
		})
	}
}

func testLongWatch(t *testing.T, l *pipes, f apitest.Fixture, body string) {
	watching, attached := l.dial(), l.dial()
	defer watching.Close()
	defer attached.Close()
	lines := bufio.NewReader(post(t, watching, "watch", body).Body)
	if line, err := lines.ReadString('\n'); err != nil || !strings.Contains(line, `"snapshot"`) {
		t.Fatalf("the watch began with %q, %v", line, err)
	}
	held := post(t, attached, "attach", body)
	if line, err := bufio.NewReader(held.Body).ReadString('\n'); err != nil || line != "{\"api\":1}\n" {
		t.Fatalf("the attach stream began with %q, %v", line, err)
	}
	time.Sleep(24 * time.Hour) // in the bubble's time
	if _, err := f.Bob.Send(t.Context(), api.SendRequest{Target: "alice", Text: "still there?"}); err != nil {
		t.Fatal(err)
	}
	if line, err := lines.ReadString('\n'); err != nil || !strings.Contains(line, "still there?") {
		t.Errorf("after a day the watch gave %q, %v", line, err)
	}
	if err := attached.SetReadDeadline(time.Now().Add(time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := attached.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("after a day the attach stream ended with %v", err)
	}
}

// What is begun and not finished is given up.
func TestUnfinishedRequests(t *testing.T) {
	for name, begun := range map[string]string{
		"nothing": "", "a line": "POST /v1/whoami HTTP/1.1\r\n",
		"half a body": "POST /v1/send HTTP/1.1\r\nHost: api.p2pchat\r\nContent-Length: 100\r\n\r\n{",
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, l *pipes, _ apitest.Fixture) {
				conn := l.dial()
				defer conn.Close()
				if _, err := io.WriteString(conn, begun); err != nil {
					t.Fatal(err)
				}
				started := time.Now()
				if _, err := io.Copy(io.Discard, conn); err != nil {
					t.Fatal(err)
				}
				if took := time.Since(started); took < headerTimeout || took > 2*headerTimeout {
					t.Errorf("the connection was closed after %v, want about %v", took, headerTimeout)
				}
			})
		})
	}
}

// HTTP clients keep spare connections, used and not: a stop waits for neither.
func TestSparesDoNotDelayStop(t *testing.T) {
	inBubble(t, func(t *testing.T, l *pipes, _ apitest.Fixture) {
		spare, used := l.dial(), l.dial()
		t.Cleanup(func() { spare.Close(); used.Close() })
		if answer := post(t, used, "whoami", ""); answer.StatusCode != http.StatusOK {
			t.Error(answer.Status)
		}
		synctest.Wait() // until the server has taken the spare one in
	})
}
