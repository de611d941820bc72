package localapi

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"sync/atomic"

	"p2pchat/node/api"
)

// Client is a face's end of the socket. It implements [api.Service] and is safe
// for concurrent use. It does not reconnect: when its node is gone, calls fail
// with no-node.
type Client struct {
	http   *http.Client
	detach context.CancelFunc
	done   chan struct{}
}

var _ api.Service = (*Client)(nil)

// ErrNotTaken is in the no-node error of a call of which no node heard: nothing
// can have come of it.
var ErrNotTaken = errors.New("no node took the request")

// Dial attaches to the running node of data directory dir, which will not stop
// for want of clients until [Client.Close]. ctx bounds attaching only.
// Errors: no-node if none answers, no-permission.
func Dial(ctx context.Context, dir string) (*Client, error) {
	path, private, err := socketPath(dir)
	if err != nil {
		return nil, err
	}
	if private != "" {
		if err := checkPrivate(private); errors.Is(err, fs.ErrNotExist) {
			return nil, api.Errorf(api.CodeNoNode, "no node is running: %w", err)
		} else if err != nil {
			return nil, err
		}
	}
	return dialPath(ctx, path)
}

func dialPath(ctx context.Context, path string) (*Client, error) {
	var dialer net.Dialer
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	transport := &http.Transport{
		Proxy: nil, // the environment's proxies are none of ours
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return dialer.DialContext(ctx, "unix", path)
		},
		DisableCompression:    true,
		ExpectContinueTimeout: attachTimeout,
		MaxIdleConnsPerHost:   4, // a face's usual number of calls at a time
		IdleConnTimeout:       clientIdle,
		Protocols:             &protocols,
	}
	attached, detach := context.WithCancel(context.WithoutCancel(ctx))
	c := &Client{
		http:   &http.Client{Transport: transport},
		detach: detach,
		done:   make(chan struct{}),
	}
	if err := c.attach(ctx, attached); err != nil {
		detach()
		transport.CloseIdleConnections()
		return nil, err
	}
	return c, nil
}

// attach opens the stream that holds the node and waits for its first line.
func (c *Client) attach(ctx, attached context.Context) error {
	waiting, cancel := context.WithTimeout(ctx, attachTimeout)
	defer cancel()
	stop := context.AfterFunc(waiting, c.detach)
	body, err := c.post(attached, "attach", none{})
	if err == nil {
		// What the node says of itself decides nothing yet; that it says
		// something does.
		lines := bufio.NewReader(body)
		if _, err = lines.ReadString('\n'); err == nil && stop() {
			go func() { // ends when the node does, or Close cuts the stream
				defer close(c.done)
				_, _ = io.Copy(io.Discard, lines)
				_ = body.Close()
			}()
			return nil
		}
		_ = body.Close()
	}
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case waiting.Err() != nil:
		return api.Errorf(api.CodeNoNode, "a node is there but did not answer within %v", attachTimeout)
	}
	var e *api.Error
	if errors.As(err, &e) {
		return e
	}
	return lost(err)
}

// Close lets go of the node. Calls under way go on until their contexts end.
func (c *Client) Close() error {
	c.detach()
	<-c.done
	c.http.CloseIdleConnections()
	return nil
}

// Done is closed when the node is gone, and by Close.
func (c *Client) Done() <-chan struct{} { return c.done }

// post sends a request and returns the body of a successful answer.
func (c *Client) post(ctx context.Context, method string, request any) (io.ReadCloser, error) {
	body, err := json.Marshal(request)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", method, err)
	}
	if len(body) > maxRequest {
		return nil, api.Errorf(api.CodeTooLong, "the request is %d bytes long, the limit is %d", len(body), maxRequest)
	}
	gate := &gate{}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+host+prefix+method, gate.body(body))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", method, err)
	}
	r.GetBody = func() (io.ReadCloser, error) { return gate.body(body), nil }
	r.ContentLength = int64(len(body))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Expect", "100-continue") // so that a node takes the request or never saw it: see gate
	answer, err := c.http.Do(r)
	if err != nil {
		return nil, gate.explain(brokenBy(ctx, err))
	}
	if answer.StatusCode == http.StatusOK {
		return answer.Body, nil
	}
	defer answer.Body.Close()
	var f failure
	if err := json.NewDecoder(answer.Body).Decode(&f); err != nil || f.Error == nil {
		return nil, api.Errorf(api.CodeInternal, "the node answered %s to %s", answer.Status, method)
	}
	return nil, gate.explain(f.Error)
}

// gate is what a request's body passes when the node asks for it, which it does
// when it carries the request out (RFC 9110, section 10.1.1). Once shut it lets
// nothing pass, so that it is known of every request that failed whether it can
// have been carried out.
type gate struct{ state atomic.Int32 }

const (
	gatePassed = 1 + iota
	gateShut
)

func (g *gate) body(b []byte) io.ReadCloser { return &gatedBody{bytes.NewReader(b), g} }

// explain is the error of a request that failed with err: [ErrNotTaken] is in it
// if no node took the request, nor will.
func (g *gate) explain(err error) error {
	if api.IsCode(err, api.CodeNoNode) && g.state.CompareAndSwap(0, gateShut) {
		return api.Errorf(api.CodeNoNode, "%w", plain{err.Error(), errors.Join(ErrNotTaken, err)})
	}
	return err
}

type gatedBody struct {
	r *bytes.Reader
	g *gate
}

func (b *gatedBody) Read(p []byte) (int, error) {
	if !b.g.state.CompareAndSwap(0, gatePassed) && b.g.state.Load() == gateShut {
		return 0, ErrNotTaken
	}
	return b.r.Read(p)
}

func (*gatedBody) Close() error { return nil }

// ask is one call.
func ask[Answer any](ctx context.Context, c *Client, method string, request any) (answer Answer, err error) {
	body, err := c.post(ctx, method, request)
	if err != nil {
		return answer, err
	}
	defer body.Close()
	raw, err := io.ReadAll(body)
	if err != nil {
		return answer, brokenBy(ctx, err)
	}
	if err := json.Unmarshal(raw, &answer); err != nil {
		return answer, garbled(method, err)
	}
	return answer, nil
}

func garbled(method string, err error) *api.Error {
	return api.Errorf(api.CodeInternal, "the node's answer to %s is not understood: %w", method, err)
}

// brokenBy is the error of a call that got no answer.
func brokenBy(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return lost(err)
}

// lost says in our words that there is no node; the cause, which names the
// address a request had inside this package, stays behind it.
func lost(err error) *api.Error {
	var op *net.OpError
	switch {
	case errors.Is(err, fs.ErrPermission):
		return api.Errorf(api.CodeNoPermission, "%w", plain{"the node's socket is not ours to use", err})
	case errors.As(err, &op) && op.Op == "dial":
		return api.Errorf(api.CodeNoNode, "%w", plain{"no node is running", err})
	}
	return api.Errorf(api.CodeNoNode, "%w", plain{"the node stopped before it answered", err})
}

// plain is an error with a text of its own.
type plain struct {
	text  string
	cause error
}

func (p plain) Error() string { return p.text }
func (p plain) Unwrap() error { return p.cause }
