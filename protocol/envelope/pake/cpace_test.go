package pake

import (
	"bytes"
	"crypto/sha512"
	"encoding/hex"
	"encoding/json"
	"os"
	"testing"

	"github.com/gtank/ristretto255"
)

// published are the draft's vectors: hex under the names the draft gives them.
type published struct {
	PrependLen   map[string]string `json:"prepend_len"`
	LVCat        map[string]string `json:"lv_cat"`
	OCat         map[string]string `json:"o_cat"`
	TranscriptIR map[string]string `json:"transcript_ir"`
	TranscriptOC map[string]string `json:"transcript_oc"`
	Generator    map[string]any
	Run          map[string]string
	Points       struct {
		Valid     map[string]string
		InvalidY1 string `json:"Invalid Y1"`
		InvalidY2 string `json:"Invalid Y2"`
	}
}

func readPublished(t testing.TB) *published {
	t.Helper()
	raw, err := os.ReadFile("testdata/draft-irtf-cfrg-cpace.json")
	if err != nil {
		t.Fatal(err)
	}
	var p published
	if err := json.Unmarshal(raw, &p); err != nil {
		t.Fatal(err)
	}
	return &p
}

func unhex(t testing.TB, s any) []byte {
	t.Helper()
	str, _ := s.(string)
	b, err := hex.DecodeString(str)
	if err != nil || len(b) == 0 {
		t.Fatalf("no vector in %q: %v", s, err)
	}
	return b
}

func want(t testing.TB, name string, got, want []byte) {
	t.Helper()
	if !bytes.Equal(got, want) {
		t.Errorf("%s:\n got %x\nwant %x", name, got, want)
	}
}

// orderedTranscript is transcript_oc, which the symmetric mode takes. We have no
// use for it but to check the rest of that mode's vectors.
func orderedTranscript(ya, ada, yb, adb []byte) []byte {
	a, b := lvCat(ya, ada), lvCat(yb, adb)
	if bytes.Compare(a, b) < 0 {
		a, b = b, a
	}
	return append(append([]byte("oc"), a...), b...)
}

func TestPublishedStrings(t *testing.T) {
	p := readPublished(t)
	count := make([]byte, 128)
	for i := range count {
		count[i] = byte(i)
	}
	for name, in := range map[string][]byte{
		"prepend_len(b'')": nil, "prepend_len(b'1234')": []byte("1234"),
		"prepend_len(bytes(range(127)))": count[:127], "prepend_len(bytes(range(128)))": count,
	} {
		want(t, name, lvCat(in), unhex(t, p.PrependLen[name]))
	}
	name := "lv_cat(b'1234',b'5',b'',b'678')"
	want(t, name, lvCat([]byte("1234"), []byte("5"), nil, []byte("678")), unhex(t, p.LVCat[name]))
	for args, in := range map[string][2]string{
		"(b'123',b'PartyA',b'234',b'PartyB')":   {"123", "234"},
		"(b'3456',b'PartyA',b'2345',b'PartyB')": {"3456", "2345"},
	} {
		ya, yb, ada, adb := []byte(in[0]), []byte(in[1]), []byte("PartyA"), []byte("PartyB")
		want(t, "transcript_ir"+args, transcriptIR(ya, ada, yb, adb), unhex(t, p.TranscriptIR["transcript_ir"+args]))
		want(t, "transcript_oc"+args, orderedTranscript(ya, ada, yb, adb), unhex(t, p.TranscriptOC["transcript_oc"+args]))
	}
}

func TestPublishedGenerator(t *testing.T) {
	v := readPublished(t).Generator
	if v["H"] != "SHA-512" || v["H.s_in_bytes"] != float64(sha512.BlockSize) || string(unhex(t, v["DSI"])) != dsi {
		t.Fatalf("vectors of another suite: %v", v)
	}
	prs, ci, sid := unhex(t, v["PRS"]), unhex(t, v["CI"]), unhex(t, v["sid"])
	s := generatorString(prs, ci, sid)
	want(t, "generator_string", s, unhex(t, v["generator_string(G.DSI,PRS,CI,sid,H.s_in_bytes)"]))
	h := sha512.Sum512(s)
	want(t, "hash result", h[:], unhex(t, v["hash result"]))
	g, err := calculateGenerator(prs, ci, sid)
	if err != nil {
		t.Fatal(err)
	}
	want(t, "generator", g.Bytes(), unhex(t, v["encoded generator g"]))
	// A password longer than the first block has no padding before CI.
	long := make([]byte, 200)
	if n := len(generatorString(long, nil, nil)); n != 1+len(dsi)+2+200+3 {
		t.Errorf("generator_string of %d bytes for a password of 200", n)
	}
}

func TestPublishedRun(t *testing.T) {
	v := readPublished(t).Run
	at := func(name string) []byte { t.Helper(); return unhex(t, v[name]) }
	sid := at("sid")
	g, err := calculateGenerator(at("PRS"), at("CI"), sid)
	if err != nil {
		t.Fatal(err)
	}
	ya, err := sampleScalar(bytes.NewReader(at("ya")))
	if err != nil {
		t.Fatal(err)
	}
	yb, err := sampleScalar(bytes.NewReader(at("yb")))
	if err != nil {
		t.Fatal(err)
	}
	want(t, "ya", ya.Bytes(), at("ya"))
	want(t, "yb", yb.Bytes(), at("yb"))
	want(t, "Ya", scalarMult(ya, g), at("Ya"))
	want(t, "Yb", scalarMult(yb, g), at("Yb"))
	ka, ok := scalarMultVfy(ya, at("Yb"))
	kb, okB := scalarMultVfy(yb, at("Ya"))
	if !ok || !okB {
		t.Fatal("shares are not taken")
	}
	want(t, "K of A", ka, at("K"))
	want(t, "K of B", kb, at("K"))
	ir := transcriptIR(at("Ya"), at("ADa"), at("Yb"), at("ADb"))
	oc := orderedTranscript(at("Ya"), at("ADa"), at("Yb"), at("ADb"))
	want(t, "ISK_IR", intermediateKey(sid, ka, ir), at("ISK_IR"))
	want(t, "ISK_SY", intermediateKey(sid, ka, oc), at("ISK_SY"))
	for name, tr := range map[string][]byte{"sid_output_ir": ir, "sid_output_oc": oc} {
		h := sha512.Sum512(append([]byte("CPaceSidOutput"), tr...))
		want(t, name, h[:], at(name))
	}
}

func TestSampleScalar(t *testing.T) {
	for _, b := range []byte{0x00, 0xff} {
		y, err := sampleScalar(bytes.NewReader(bytes.Repeat([]byte{b}, 32)))
		if err != nil {
			t.Fatal(err)
		}
		if got := y.Bytes(); got[0] != b || got[31] != b&0x0f {
			t.Errorf("%x draws %x", b, got)
		}
	}
	if _, err := sampleScalar(bytes.NewReader(make([]byte, 31))); err == nil {
		t.Error("a scalar of 31 bytes")
	}
}

func TestPublishedPoints(t *testing.T) {
	p := readPublished(t).Points
	y, err := ristretto255.NewScalar().SetCanonicalBytes(unhex(t, p.Valid["s"]))
	if err != nil {
		t.Fatal(err)
	}
	x := unhex(t, p.Valid["X"])
	decoded, err := ristretto255.NewIdentityElement().SetCanonicalBytes(x)
	if err != nil {
		t.Fatal(err)
	}
	want(t, "scalar_mult", scalarMult(y, decoded), unhex(t, p.Valid["G.scalar_mult(s,decode(X))"]))
	k, ok := scalarMultVfy(y, x)
	if !ok {
		t.Fatal("a valid point is refused")
	}
	want(t, "scalar_mult_vfy", k, unhex(t, p.Valid["G.scalar_mult_vfy(s,X)"]))

	c := testContext(t)
	for name, s := range map[string]string{"Y1": p.InvalidY1, "Y2": p.InvalidY2} {
		bad := unhex(t, s)
		if _, ok := scalarMultVfy(y, bad); ok {
			t.Errorf("invalid %s is taken", name)
		}
		// In a message of A, and of B, the run aborts.
		if _, _, _, err := Respond(&stream{n: 2}, right, c, bad); err != ErrNotAuthorized {
			t.Errorf("invalid %s in the joiner's message: %v", name, err)
		}
		j, _, err := Start(&stream{n: 1}, right, c)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := j.Finish(bad, make([]byte, ConfirmSize)); err != ErrNotAuthorized {
			t.Errorf("invalid %s in the admitter's message: %v", name, err)
		}
	}
}
