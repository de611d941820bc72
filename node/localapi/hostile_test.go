package localapi_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"p2pchat/node/api"
	"p2pchat/node/api/apitest"
)

func TestRequests(t *testing.T) {
	t.Parallel()
	const ok, host = 200, "Host: api.p2pchat\r\n"
	send := func(headers, body string) string {
		return fmt.Sprintf("POST /v1/send HTTP/1.1\r\n%sContent-Length: %d\r\n\r\n%s", headers, len(body), body)
	}
	hi := `{"target":"bob","text":"hi"}`
	tests := []struct {
		name, request string
		status        int
		code          api.Code
	}{
		{"plain", send(host, hi), ok, ""},
		{"fields of the future", send(host, `{"target":"bob","text":"hi","emphasis":[1]}`), ok, ""},
		{"chunked", "POST /v1/send HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n1c\r\n" + hi + "\r\n0\r\n\r\n", ok, ""},
		{"no body", "POST /v1/whoami HTTP/1.1\r\n" + host + "\r\n", ok, ""},
		{"no body where one is needed", send(host, ""), 400, api.CodeBadText},

		{"from a web page", send(host+"Origin: http://example.com\r\n", hi), 403, api.CodeForbidden},
		{"from a local page", send(host+"Origin: http://api.p2pchat\r\n", hi), 403, api.CodeForbidden},
		{"from a file", send(host+"Origin: null\r\n", hi), 403, api.CodeForbidden},
		{"from nowhere", send(host+"Origin:\r\n", hi), 403, api.CodeForbidden},
		{"for localhost", send("Host: localhost\r\n", hi), 403, api.CodeForbidden},
		{"for a port", send("Host: api.p2pchat:80\r\n", hi), 403, api.CodeForbidden},
		{"for a name that was rebound", send("Host: evil.example\r\n", hi), 403, api.CodeForbidden},
		{"for no host", send("Host:\r\n", hi), 403, api.CodeForbidden},
		{"without a host", send("", hi), 400, ""}, // net/http refuses it
		{"as a proxy", strings.Replace(send(host, hi), "/v1/send", "http://evil.example/v1/send", 1), 403, api.CodeForbidden},

		{"with GET", "GET /v1/send HTTP/1.1\r\n" + host + "\r\n", 405, api.CodeUsage},
		{"with OPTIONS", "OPTIONS * HTTP/1.1\r\n" + host + "\r\n", 405, api.CodeUsage},
		{"with CONNECT", "CONNECT api.p2pchat HTTP/1.1\r\n" + host + "\r\n", 405, api.CodeUsage},
		{"of another version", "POST /v2/send HTTP/1.1\r\n" + host + "\r\n", 404, api.CodeUnsupported},
		{"of nothing", "POST / HTTP/1.1\r\n" + host + "\r\n", 404, api.CodeUnsupported},

		{"not JSON", send(host, "target=bob"), 400, api.CodeUsage},
		{"JSON of another type", send(host, `["bob","hi"]`), 400, api.CodeUsage},
		{"a field of another type", send(host, `{"target":7}`), 400, api.CodeUsage},
		{"a wait too long to count", send(host, `{"target":"bob","text":"hi","wait":1e300}`), 400, api.CodeUsage},
		{"two values", send(host, hi+hi), 400, api.CodeUsage},
		{"cut short", send(host, hi[:10]), 400, api.CodeUsage},
		{"deep", send(host, strings.Repeat("[", 200_000)), 400, api.CodeUsage},

		{"a huge body", send(host, `{"text":"`+strings.Repeat("x", 1<<20)+`"}`), 413, api.CodeTooLong},
		{"a huge body in chunks", "POST /v1/send HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n100000\r\n" + strings.Repeat(" ", 1<<20) + "\r\n0\r\n\r\n", 413, api.CodeTooLong},
		{"a body said to be endless", "POST /v1/send HTTP/1.1\r\n" + host + "Content-Length: 9000000000000000000\r\n\r\n" + strings.Repeat(" ", 300<<10), 413, api.CodeTooLong},
		{"a huge header", send(host+"X: "+strings.Repeat("x", 1<<20)+"\r\n", hi), 431, ""},
		{"not HTTP", "hello\r\n\r\n", 400, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, alice, _ := apitest.NewFixture()
			dir, _, _ := serve(t, alice)
			r := connect(t, dir)
			go r.write(tt.request) // ends when the server has read it or closed
			status, header, body := r.answer()
			if status != tt.status {
				t.Fatalf("status %d, want %d: %.200s", status, tt.status, body)
			}
			log, err := alice.Log(t.Context(), api.LogQuery{Target: "bob"})
			if err != nil || (len(log) == 1) != (status == ok && tt.name != "no body") {
				t.Errorf("the log has %d messages after status %d (%v)", len(log), status, err)
			}
			if tt.code == "" {
				return
			}
			var failed struct{ Error *api.Error }
			if err := json.Unmarshal([]byte(body), &failed); err != nil || failed.Error == nil || failed.Error.Code != tt.code || failed.Error.Message == "" {
				t.Errorf("the answer is %.200s, want code %s (%v)", body, tt.code, err)
			}
			if got := header.Get("Content-Type"); got != "application/json" {
				t.Errorf("content type %q", got)
			}
			if len(header.Values("Access-Control-Allow-Origin")) > 0 {
				t.Error("a web page may read the answer")
			}
		})
	}
}

// Connections that never finish what they began hold neither other clients nor
// the server's end.
func TestHalfOpen(t *testing.T) {
	t.Parallel()
	_, alice, _ := apitest.NewFixture()
	dir, server, stop := serve(t, alice)
	for _, begun := range []string{
		"", "P", "POST /v1/whoami HTTP/1.1\r\n", "POST /v1/whoami HTTP/1.1\r\nHost: api.p2pchat\r\n",
		"POST /v1/send HTTP/1.1\r\nHost: api.p2pchat\r\nContent-Length: 100\r\n\r\n{",
		"POST /v1/send HTTP/1.1\r\nHost: api.p2pchat\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{",
	} {
		for range 8 {
			connect(t, dir).write(begun)
		}
	}
	// One that went away before its answer.
	gone := connect(t, dir)
	gone.write("POST /v1/log HTTP/1.1\r\nHost: api.p2pchat\r\nContent-Length: 16\r\n\r\n{\"target\":\"bob\"}")
	gone.conn.Close()

	c := dial(t, dir)
	for range 20 {
		if _, err := c.Send(t.Context(), api.SendRequest{Target: "bob", Text: "hi"}); err != nil {
			t.Fatal(err)
		}
	}
	if server.Attached() < 1 {
		t.Error("the client that works is not counted")
	}
	stop()
}

// A connection can be used again after a call and after a refused one.
func TestOneConnectionManyCalls(t *testing.T) {
	t.Parallel()
	_, alice, _ := apitest.NewFixture()
	dir, _, _ := serve(t, alice)
	r := connect(t, dir)
	for range 3 {
		for path, want := range map[string]int{"whoami": 200, "send": 400, "nonesuch": 404} {
			r.write("POST /v1/" + path + " HTTP/1.1\r\nHost: api.p2pchat\r\nContent-Length: 0\r\n\r\n")
			if status, _, body := r.answer(); status != want {
				t.Fatalf("%s: status %d, want %d: %s", path, status, want, body)
			}
		}
	}
}
