package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"sync"

	libp2p "github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	quic "github.com/libp2p/go-libp2p/p2p/transport/quic"
	"github.com/libp2p/go-libp2p/p2p/transport/tcp"
)

const echoProtocol = "/p2pchat-bench/echo"

// echo is the yardstick of a durable message: it commits a payload on this
// side, sends it over a stream, has it committed on the other side and gets it
// back. Both sides are bare go-libp2p hosts with a database of their own.
type echo struct {
	hosts  [2]host.Host
	here   *rows
	there  *rows
	stream network.Stream
	serve  sync.WaitGroup
}

// newEcho connects two hosts over one transport of the loopback interface.
func newEcho(ctx context.Context, dir, listen string) (e *echo, err error) {
	e = &echo{}
	defer func() {
		if err != nil {
			e.close()
		}
	}()
	if e.here, err = openRows(filepath.Join(dir, "here.db")); err != nil {
		return e, err
	}
	if e.there, err = openRows(filepath.Join(dir, "there.db")); err != nil {
		return e, err
	}
	for i := range e.hosts {
		e.hosts[i], err = libp2p.New(
			libp2p.Transport(quic.NewTransport), libp2p.Transport(tcp.NewTCPTransport),
			libp2p.ListenAddrStrings(listen), libp2p.DisableRelay(), libp2p.DisableMetrics(),
		)
		if err != nil {
			return e, err
		}
	}
	e.hosts[1].SetStreamHandler(echoProtocol, func(s network.Stream) {
		e.serve.Go(func() { e.answer(s) })
	})
	other := peer.AddrInfo{ID: e.hosts[1].ID(), Addrs: e.hosts[1].Addrs()}
	if err := e.hosts[0].Connect(ctx, other); err != nil {
		return e, err
	}
	e.stream, err = e.hosts[0].NewStream(ctx, other.ID, echoProtocol)
	return e, err
}

// answer commits and sends back what arrives, in the order it arrived, until
// the stream ends. While a commit lasts the next frames gather; they share the
// one that follows.
func (e *echo) answer(s network.Stream) {
	defer s.Reset()                           //nolint:errcheck // it is over either way
	acks := make(chan (<-chan error), window) // no more are under way
	e.serve.Go(func() {                       // ends with acks
		for ack := range acks {
			if <-ack != nil || writeFrame(s, ackPayload) != nil {
				_ = s.Reset()
			}
		}
	})
	defer close(acks)
	for {
		p, err := readFrame(s)
		if err != nil {
			return
		}
		acks <- e.there.insert(p)
	}
}

// window is how many payloads may be under way at once.
const window = 64

var ackPayload = []byte("committed")

// trip takes one payload there and back.
func (e *echo) trip(payload []byte) error {
	if err := <-e.here.insert(payload); err != nil {
		return err
	}
	if err := writeFrame(e.stream, payload); err != nil {
		return err
	}
	_, err := readFrame(e.stream)
	return err
}

// pipeline takes n payloads there and back, window at a time.
func (e *echo) pipeline(payload []byte, n int) error {
	free := make(chan struct{}, window) // a token per payload under way
	failed := make(chan error, 1)       // the first one counts
	written := make(chan (<-chan error), window)
	fail := func(err error) {
		select {
		case failed <- err:
		default:
		}
	}
	go func() { // sends what is committed; ends with written
		for done := range written {
			err := <-done
			if err == nil {
				err = writeFrame(e.stream, payload)
			}
			if err != nil {
				fail(err)
				_ = e.stream.Reset()
			}
		}
	}()
	go func() { // ends after n; if an answer fails to come, with the program
		defer close(written)
		for range n {
			free <- struct{}{}
			written <- e.here.insert(payload)
		}
	}()
	for range n {
		if _, err := readFrame(e.stream); err != nil {
			fail(err)
			return <-failed
		}
		<-free
	}
	return nil
}

func (e *echo) close() {
	if e.stream != nil {
		_ = e.stream.Reset()
	}
	for _, h := range e.hosts {
		if h != nil {
			_ = h.Close()
		}
	}
	e.serve.Wait()
	for _, r := range []*rows{e.here, e.there} {
		if r != nil {
			r.close()
		}
	}
}

func writeFrame(w io.Writer, p []byte) error {
	_, err := w.Write(append(binary.AppendUvarint(nil, uint64(len(p))), p...))
	return err
}

func readFrame(r io.Reader) ([]byte, error) {
	n, err := binary.ReadUvarint(byteReader{r})
	if err != nil {
		return nil, err
	}
	if n > 1<<20 {
		return nil, fmt.Errorf("a frame of %d bytes", n)
	}
	p := make([]byte, n)
	_, err = io.ReadFull(r, p)
	return p, err
}

type byteReader struct{ io.Reader }

func (r byteReader) ReadByte() (byte, error) {
	var b [1]byte
	_, err := io.ReadFull(r.Reader, b[:])
	return b[0], err
}

// tcpEcho is a plain TCP connection over loopback whose other end sends back
// what it gets.
type tcpEcho struct {
	net.Conn
	other chan struct{} // closed when the other end is
}

func newTCPEcho() (*tcpEcho, error) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	defer l.Close()
	e := &tcpEcho{other: make(chan struct{})}
	go func() { // ends with the connection, or if there is none
		defer close(e.other)
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		_, _ = io.Copy(c, c)
	}()
	e.Conn, err = net.Dial("tcp4", l.Addr().String())
	return e, err
}

func (e *tcpEcho) trip(payload []byte) error {
	if err := writeFrame(e.Conn, payload); err != nil {
		return err
	}
	_, err := readFrame(e.Conn)
	return err
}

func (e *tcpEcho) close() {
	_ = e.Conn.Close()
	<-e.other
}
