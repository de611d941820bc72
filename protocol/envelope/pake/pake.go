package pake

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/binary"
	"errors"
	"io"

	"github.com/gtank/ristretto255"
	"github.com/libp2p/go-libp2p/core/peer"
	"golang.org/x/crypto/argon2"
	"golang.org/x/text/secure/precis"

	"p2pchat/protocol/event"
)

const (
	// ShareSize is what a share takes, in bytes.
	ShareSize = 32
	// ConfirmSize is what a confirmation takes, in bytes.
	ConfirmSize = sha512.Size
)

// ErrNotAuthorized is all that a failed run says: the other side does not know
// the password, means another room, generation or peer, or sent garbage.
var ErrNotAuthorized = errors.New("the password is not right")

// Secret is a stretched password: what members hold beside the epoch key. Who
// has it passes the door, so it is kept and sent as an epoch key is.
type Secret [32]byte

// String keeps secrets out of logs.
func (Secret) String() string { return "(secret)" }

// Cost of [Stretch]: RFC 9106's second choice, with one lane rather than four,
// since a guesser has as many cores as he likes and an old laptop has not. One
// lane and 16 bytes of salt are also what libsodium's crypto_pwhash takes.
const (
	stretchPasses = 3
	stretchMemory = 64 << 10 // KiB
	stretchLanes  = 1
	stretchSalt   = 16 // bytes
)

const stretchDomain = "p2pchat password v1\x00"

// Stretch turns a room's password into what CPace takes: Argon2id (RFC 9106)
// with 3 passes, 64 MiB and 1 lane, salted by room and generation, so that a
// guess tried on one room or one generation is of no use on another. It takes
// some tenths of a second, and those 64 MiB.
//
// The password is brought into the form of RFC 8265 first (OpaqueString), so
// that it is the same from every keyboard; one that has no such form is taken as
// it is.
func Stretch(room event.Conversation, generation uint64, password []byte) Secret {
	if p, err := precis.OpaqueString.Bytes(password); err == nil {
		password = p
	}
	b := append([]byte(stretchDomain), room[:]...)
	salt := sha256.Sum256(binary.BigEndian.AppendUint64(b, generation))
	return Secret(argon2.IDKey(password, salt[:stretchSalt], stretchPasses, stretchMemory, stretchLanes, uint32(len(Secret{}))))
}

// Context binds a run to who runs it and what for. Both sides must see the same;
// the peer IDs are those the stream's handshake proved.
type Context struct {
	Room             event.Conversation
	Joiner, Admitter peer.ID
	Generation       uint64 // of the password
}

const (
	channelDomain = "/p2pchat/join/1.0.0"
	// The roles as associated data: they make the two confirmations differ even
	// for equal shares.
	adJoiner   = "joiner"
	adAdmitter = "admitter"
)

// channel is CI.
func (c Context) channel() []byte {
	return lvCat([]byte(channelDomain), []byte(c.Joiner), []byte(c.Admitter), c.Room[:], binary.BigEndian.AppendUint64(nil, c.Generation))
}

// share draws a scalar and makes the share of it.
func share(rand io.Reader, s Secret, c Context) (*ristretto255.Scalar, []byte, error) {
	if c.Joiner == "" || c.Admitter == "" || c.Joiner == c.Admitter {
		return nil, nil, errors.New("a password is checked between two peers")
	}
	g, err := calculateGenerator(s[:], c.channel(), nil)
	if err != nil {
		return nil, nil, err
	}
	y, err := sampleScalar(rand)
	if err != nil {
		return nil, nil, err
	}
	return y, scalarMult(y, g), nil
}

// confirmations are Ta and Tb.
func confirmations(k, ya, yb []byte) (ta, tb []byte) {
	ada, adb := []byte(adJoiner), []byte(adAdmitter)
	isk := intermediateKey(nil, k, transcriptIR(ya, ada, yb, adb))
	return confirmation(nil, isk, ya, ada), confirmation(nil, isk, yb, adb)
}

// Joiner is the newcomer's side of a run.
type Joiner struct {
	scalar *ristretto255.Scalar // nil once used
	share  []byte
}

// Start begins a run. The share is sent to the admitter; it does not tell the
// password. An error is one of rand or of c.
func Start(rand io.Reader, s Secret, c Context) (*Joiner, []byte, error) {
	y, ya, err := share(rand, s, c)
	if err != nil {
		return nil, nil, err
	}
	return &Joiner{y, ya}, append([]byte(nil), ya...), nil
}

// Finish checks that the admitter knows the password and only then says, to be
// sent to him, that we do. On [ErrNotAuthorized], or a second time, it says
// nothing: an admitter who did not know the password would learn from more
// whether he guessed it. Random bytes may be sent in place of a confirmation;
// only who knows the password could tell them from it.
func (j *Joiner) Finish(admitterShare, admitterConfirm []byte) (confirm []byte, err error) {
	y := j.scalar
	if y == nil {
		return nil, ErrNotAuthorized
	}
	j.scalar = nil
	k, ok := scalarMultVfy(y, admitterShare)
	if !ok {
		return nil, ErrNotAuthorized
	}
	ta, tb := confirmations(k, j.share, admitterShare)
	if !hmac.Equal(tb, admitterConfirm) {
		return nil, ErrNotAuthorized
	}
	return ta, nil
}

// Admitter is the member's side of a run.
type Admitter struct {
	want []byte // the joiner's confirmation; nil once used
}

// Respond answers a joiner's share with the admitter's share and confirmation,
// both to be sent. From these the joiner can know whether the password he tried
// is right, so this counts as an attempt until Verify says otherwise. Errors:
// [ErrNotAuthorized] for a share that is none, which is to be answered as a
// wrong password is; else one of rand or of c.
func Respond(rand io.Reader, s Secret, c Context, joinerShare []byte) (a *Admitter, admitterShare, confirm []byte, err error) {
	y, yb, err := share(rand, s, c)
	if err != nil {
		return nil, nil, nil, err
	}
	k, ok := scalarMultVfy(y, joinerShare)
	if !ok {
		return nil, nil, nil, ErrNotAuthorized
	}
	ta, tb := confirmations(k, joinerShare, yb)
	return &Admitter{ta}, yb, tb, nil
}

// Verify tells whether the joiner knows the password. Error: [ErrNotAuthorized],
// also the second time.
func (a *Admitter) Verify(joinerConfirm []byte) error {
	want := a.want
	a.want = nil
	if want == nil || !hmac.Equal(want, joinerConfirm) {
		return ErrNotAuthorized
	}
	return nil
}
