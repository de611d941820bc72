package direct

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"google.golang.org/protobuf/proto"

	"p2pchat/protocol/pb"
)

const (
	maxFrame    = 1 << 20
	frameWithin = 30 * time.Second
	slowest     = 64 << 10 // bytes in frameWithin, at least
)

// frames reads those of one stream.
type frames struct {
	stream network.Stream
	r      *bufio.Reader
	buf    bytes.Buffer
}

func newFrames(st network.Stream) *frames { return &frames{stream: st, r: bufio.NewReader(st)} }

// first takes the frame that opens a stream.
func (f *frames) first() (*pb.DirectFrame, error) {
	_ = f.stream.SetReadDeadline(time.Now().Add(openWithin))
	size, err := f.size()
	if err != nil {
		return nil, err
	}
	return f.rest(size)
}

// next takes the next frame. It may begin at any time, since the heartbeat of the
// connection tells whether anyone is there, and has to be complete in [frameWithin]
// for each [slowest] of it then.
func (f *frames) next() (*pb.DirectFrame, error) {
	_ = f.stream.SetReadDeadline(time.Time{})
	if _, err := f.r.Peek(1); err != nil {
		return nil, fmt.Errorf("read: %w", err)
	}
	_ = f.stream.SetReadDeadline(time.Now().Add(frameWithin))
	size, err := f.size()
	if err != nil {
		return nil, err
	}
	if size >= slowest {
		_ = f.stream.SetReadDeadline(time.Now().Add(frameWithin * time.Duration(1+size/slowest)))
	}
	return f.rest(size)
}

func (f *frames) size() (int, error) {
	size, err := binary.ReadUvarint(f.r)
	if err != nil {
		return 0, fmt.Errorf("read: %w", err)
	}
	if size > maxFrame {
		return 0, refused("frame of %d bytes, at most %d", size, maxFrame)
	}
	return int(size), nil
}

// rest reads the size bytes of a frame. What is set aside for it grows with what
// arrives, and is kept for the next only if it is little.
func (f *frames) rest(size int) (*pb.DirectFrame, error) {
	f.buf.Reset()
	if n, err := f.buf.ReadFrom(io.LimitReader(f.r, int64(size))); err != nil {
		return nil, fmt.Errorf("read: %w", err)
	} else if n < int64(size) {
		return nil, fmt.Errorf("read: %w", io.ErrUnexpectedEOF)
	}
	m := &pb.DirectFrame{}
	if err := proto.Unmarshal(f.buf.Bytes(), m); err != nil {
		return nil, refused("frame: %v", err)
	}
	if f.buf.Cap() > slowest {
		f.buf = bytes.Buffer{}
	}
	return m, nil
}
