package pake

import (
	"bytes"
	"testing"

	"github.com/gtank/ristretto255"
)

// FuzzRespond: whatever a joiner sends for a share, the admitter either answers
// with as many bytes as ever, and takes no confirmation that was made without
// the password, or refuses.
func FuzzRespond(f *testing.F) {
	_, share, err := Start(&stream{n: 1}, right, testContext(f))
	if err != nil {
		f.Fatal(err)
	}
	p := readPublished(f).Points
	for _, s := range [][]byte{
		share, ristretto255.NewGeneratorElement().Bytes(), unhex(f, p.InvalidY1), unhex(f, p.InvalidY2),
		nil, share[:31], bytes.Repeat([]byte{0xff}, 32),
	} {
		f.Add(s, make([]byte, ConfirmSize))
	}
	c := testContext(f)
	f.Fuzz(func(t *testing.T, joinerShare, joinerConfirm []byte) {
		a, s, confirm, err := Respond(&stream{n: 2}, right, c, joinerShare)
		if err != nil {
			if err != ErrNotAuthorized || a != nil || s != nil || confirm != nil {
				t.Fatalf("refused with %v and %x %x", err, s, confirm)
			}
			return
		}
		e, err := ristretto255.NewIdentityElement().SetCanonicalBytes(joinerShare)
		if err != nil || e.Equal(ristretto255.NewIdentityElement()) == 1 {
			t.Fatalf("answered %x", joinerShare)
		}
		if len(s) != ShareSize || len(confirm) != ConfirmSize {
			t.Fatalf("share of %d bytes, confirmation of %d", len(s), len(confirm))
		}
		if err := a.Verify(joinerConfirm); err != ErrNotAuthorized {
			t.Fatalf("%x is let in: %v", joinerConfirm, err)
		}
	})
}

// FuzzFinish: whatever an admitter sends who does not know the password, the
// joiner says nothing more.
func FuzzFinish(f *testing.F) {
	c := testContext(f)
	good := run(f, right, right, c, c, asIs)
	bad := run(f, right, wrong, c, c, asIs)
	f.Add(bad.admitterShare, bad.admitterConfirm)
	f.Add(good.admitterShare, bad.admitterConfirm)
	f.Add(bad.admitterShare, good.admitterConfirm)
	f.Add(good.joinerShare, good.joinerConfirm)
	f.Add(unhex(f, readPublished(f).Points.InvalidY1), good.admitterConfirm)
	f.Add(make([]byte, ShareSize), good.admitterConfirm)
	f.Add([]byte{}, []byte{})
	f.Fuzz(func(t *testing.T, s, confirm []byte) {
		if bytes.Equal(s, good.admitterShare) && bytes.Equal(confirm, good.admitterConfirm) {
			return // that one does know it
		}
		j, _, err := Start(&stream{n: 1}, right, c)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := j.Finish(s, confirm); err != ErrNotAuthorized || got != nil {
			t.Fatalf("says %x, %v", got, err)
		}
	})
}
