package labtest

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	"google.golang.org/protobuf/proto"

	"p2pchat/protocol/identity"
	"p2pchat/protocol/pb"
)

const (
	helloProtocol  = "/p2pchat/hello/1.0.0"
	directProtocol = "/p2pchat/direct/1.0.0"
)

// mallory connects to the node at the given address again and again, each time
// as somebody else, and behaves badly on a stream. It ends with 0 when all was
// tried; what the node makes of it the test looks at.
func mallory(args []string) int {
	target, err := peer.AddrInfoFromString(args[0])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	noise := make([]byte, 64<<10)
	_, _ = rand.Read(noise) // never fails
	attacks := map[string]func(identity.Key) (protocol.ID, [][]byte, error){}
	for what, name := range nasty {
		attacks["name: "+what] = func(k identity.Key) (protocol.ID, [][]byte, error) {
			frame, err := profile(k, &pb.Profile{Username: name, Version: 1})
			return helloProtocol, [][]byte{frame}, err
		}
		attacks["status: "+what] = func(k identity.Key) (protocol.ID, [][]byte, error) {
			frame, err := profile(k, &pb.Profile{Username: "mallory", Status: name, Version: 1})
			return helloProtocol, [][]byte{frame}, err
		}
	}
	for _, id := range []protocol.ID{helloProtocol, directProtocol} {
		attacks["noise on "+string(id)] = func(identity.Key) (protocol.ID, [][]byte, error) {
			return id, [][]byte{noise}, nil
		}
		attacks["framed noise on "+string(id)] = func(identity.Key) (protocol.ID, [][]byte, error) {
			return id, [][]byte{framed(noise[:1000])}, nil
		}
		attacks["huge frame on "+string(id)] = func(identity.Key) (protocol.ID, [][]byte, error) {
			return id, [][]byte{binary.AppendUvarint(nil, 1<<62)}, nil
		}
		attacks["empty frames on "+string(id)] = func(identity.Key) (protocol.ID, [][]byte, error) {
			return id, [][]byte{make([]byte, 1000)}, nil
		}
	}
	attacks["another's profile"] = func(identity.Key) (protocol.ID, [][]byte, error) {
		other, err := identity.NewKey(rand.Reader)
		if err != nil {
			return "", nil, err
		}
		frame, err := profile(other, &pb.Profile{Username: "bob", Version: 1})
		return helloProtocol, [][]byte{frame}, err
	}
	attacks["unknown version"] = func(identity.Key) (protocol.ID, [][]byte, error) {
		return "/p2pchat/hello/99.0.0", [][]byte{noise}, nil
	}
	for what, attack := range attacks {
		if err := try(*target, attack); err != nil {
			fmt.Fprintf(os.Stderr, "%s: %v\n", what, err)
			return 1
		}
		fmt.Println("tried", what)
	}
	return 0
}

// profile is a frame of hello with a profile signed by the key, whatever is
// in it.
func profile(k identity.Key, p *pb.Profile) ([]byte, error) {
	p.Peer = []byte(k.ID())
	p.Time = uint64(time.Now().UnixMilli())
	raw, err := proto.MarshalOptions{Deterministic: true}.Marshal(p)
	if err != nil {
		// A string that is no UTF-8; none of ours.
		return nil, err
	}
	sig, err := k.Sign("p2pchat profile v1\x00", raw)
	if err != nil {
		return nil, err
	}
	frame, err := proto.Marshal(&pb.HelloFrame{
		Profile:      &pb.SignedProfile{Profile: raw, Signature: sig},
		Availability: pb.Availability_AVAILABILITY_AVAILABLE,
		Instance:     make([]byte, 16),
	})
	return framed(frame), err
}

func framed(b []byte) []byte { return append(binary.AppendUvarint(nil, uint64(len(b))), b...) }

// try connects under a new key, writes the frames, and waits until the node
// has had enough or a moment has passed.
func try(target peer.AddrInfo, attack func(identity.Key) (protocol.ID, [][]byte, error)) error {
	key, err := identity.NewKey(rand.Reader)
	if err != nil {
		return err
	}
	// The version string is shown to the node by identify.
	h, err := libp2p.New(libp2p.Identity(key.Libp2p()), libp2p.NoListenAddrs,
		libp2p.UserAgent("\x1b[2Jevil\u202e"), libp2p.DisableRelay())
	if err != nil {
		return err
	}
	defer h.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	id, frames, err := attack(key)
	if err != nil {
		return err
	}
	// The node may find that too many connections come from here.
	for err := h.Connect(ctx, target); err != nil; err = h.Connect(ctx, target) {
		select {
		case <-time.After(200 * time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("connect: %w", err)
		}
	}
	s, err := h.NewStream(ctx, target.ID, id)
	if err != nil {
		return nil // refused: an answer, too
	}
	for _, frame := range frames {
		if _, err := s.Write(frame); err != nil {
			return nil // cut off
		}
	}
	if err := s.SetReadDeadline(time.Now().Add(300 * time.Millisecond)); err != nil {
		return nil // closed already
	}
	if _, err := io.Copy(io.Discard, s); err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		var reset *network.StreamError
		if !errors.As(err, &reset) {
			return nil // whatever it is, it ended
		}
	}
	return nil
}
