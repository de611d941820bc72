package pake

import (
	"crypto/hmac"
	"crypto/sha512"
	"encoding/binary"
	"fmt"
	"io"

	"github.com/gtank/ristretto255"
)

// What follows has the names and the arguments of draft-irtf-cfrg-cpace, for
// G_Ristretto255 and H = SHA-512.

const (
	dsi    = "CPaceRistretto255"
	dsiISK = dsi + "_ISK"
	dsiMac = "CPaceMac"
)

// appendLV appends each part with its length in LEB128 before it.
func appendLV(b []byte, parts ...[]byte) []byte {
	for _, p := range parts {
		b = binary.AppendUvarint(b, uint64(len(p))) // an Uvarint is LEB128
		b = append(b, p...)
	}
	return b
}

func lvCat(parts ...[]byte) []byte { return appendLV(nil, parts...) }

// generatorString fills the first block of the hash with zeros after prs, so
// that it depends on nothing but the domain and prs.
func generatorString(prs, ci, sid []byte) []byte {
	zpad := max(0, sha512.BlockSize-1-len(lvCat(prs))-len(lvCat([]byte(dsi))))
	return lvCat([]byte(dsi), prs, make([]byte, zpad), ci, sid)
}

func calculateGenerator(prs, ci, sid []byte) (*ristretto255.Element, error) {
	h := sha512.Sum512(generatorString(prs, ci, sid))
	g, err := ristretto255.NewIdentityElement().SetUniformBytes(h[:])
	if err != nil {
		return nil, fmt.Errorf("derive the generator: %w", err)
	}
	return g, nil
}

// sampleScalar draws 252 bits, as the draft recommends for this group: less than
// its order, so always canonical.
func sampleScalar(rand io.Reader) (*ristretto255.Scalar, error) {
	var b [32]byte
	if _, err := io.ReadFull(rand, b[:]); err != nil {
		return nil, fmt.Errorf("draw a scalar: %w", err)
	}
	b[31] &= 0x0f
	y, err := ristretto255.NewScalar().SetCanonicalBytes(b[:])
	if err != nil {
		return nil, fmt.Errorf("draw a scalar: %w", err)
	}
	return y, nil
}

func scalarMult(y *ristretto255.Scalar, g *ristretto255.Element) []byte {
	return ristretto255.NewIdentityElement().ScalarMult(y, g).Bytes()
}

// scalarMultVfy is y times what x encodes. It is not ok if x is no canonical
// encoding or the product is the neutral element; then the run is to be aborted.
func scalarMultVfy(y *ristretto255.Scalar, x []byte) (k []byte, ok bool) {
	p, err := ristretto255.NewIdentityElement().SetCanonicalBytes(x)
	if err != nil {
		return nil, false
	}
	p.ScalarMult(y, p)
	if p.Equal(ristretto255.NewIdentityElement()) == 1 {
		return nil, false
	}
	return p.Bytes(), true
}

// transcriptIR is the transcript where roles are given.
func transcriptIR(ya, ada, yb, adb []byte) []byte {
	return appendLV(lvCat(ya, ada), yb, adb)
}

// intermediateKey is ISK.
func intermediateKey(sid, k, transcript []byte) []byte {
	h := sha512.Sum512(append(lvCat([]byte(dsiISK), sid, k), transcript...))
	return h[:]
}

// confirmation is the tag over the message a side has sent.
func confirmation(sid, isk, share, ad []byte) []byte {
	key := sha512.Sum512(append(append([]byte(dsiMac), sid...), isk...))
	m := hmac.New(sha512.New, key[:])
	m.Write(lvCat(share, ad))
	return m.Sum(nil)
}
