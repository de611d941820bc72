package node

import (
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"p2pchat/node/api"
	"p2pchat/node/internal/store"
	"p2pchat/protocol/event"
	"p2pchat/protocol/identity"
)

// TestTermsAgree: what a face marks in a text is what the store found it by.
func TestTermsAgree(t *testing.T) {
	t.Parallel()
	st, err := store.Open(t.Context(), t.TempDir(), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	key, err := identity.KeyFromSeed([]byte(strings.Repeat("k", 32)))
	if err != nil {
		t.Fatal(err)
	}
	pieces := []string{
		"a", "B", "word", "Word", "é", "e\u0301", "ñ", "ß", "й", "и\u0306", "ή", "ﬁ", "Ａ", "１", "x2", "日", "本", "プ", "ﾌﾟ", "ﾌ", "ー", "한", "กำ", "ที่",
		" ", " ", " ", "-", "'", "\"", ".", "\n", "\u00a0", "🙂", "👍🏽", "𐐀", "𠀀", "𝐀", "☺", "_", "\ue000", "c1",
	}
	var texts []string
	prev := event.ID{}
	rapid.Check(t, func(rt *rapid.T) {
		draw := func(n int, what string) string {
			return strings.Join(rapid.SliceOfN(rapid.SampledFrom(pieces), 1, n).Draw(rt, what), "")
		}
		said := draw(8, "text")
		body, err := event.EncodeText(said)
		if err != nil {
			rt.Fatal(err)
		}
		h := event.Header{Conversation: event.Conversation{1}, Lane: event.LaneMessage, Kind: event.KindText, Log: event.LogID{1}, Seq: uint64(len(texts) + 1), Prev: prev}
		h.Time = event.At(time.Unix(1_800_000_000+int64(len(texts)), 0))
		e, err := event.Sign(key, h, body)
		if err != nil {
			rt.Fatal(err)
		}
		err = st.Update(t.Context(), func(tx *store.Tx) error { _, err := tx.Insert(e, h.Time.Wall()); return err })
		if err != nil {
			rt.Fatal(err)
		}
		texts, prev = append(texts, said), e.ID

		term := api.Term{Text: draw(3, "term"), Prefix: rapid.Bool().Draw(rt, "prefix")}
		rows, err := st.Search(t.Context(), store.SearchQuery{Terms: []store.Term{store.Term(term)}})
		if err != nil {
			rt.Fatalf("%+q: %v", term.Text, err)
		}
		var got, want []string
		for _, row := range rows {
			text, err := event.DecodeText(row.Body)
			if err != nil {
				rt.Fatal(err)
			}
			got = append(got, text)
		}
		for _, text := range texts {
			if term.In(text) {
				want = append(want, text)
			}
		}
		if !slices.Equal(got, want) {
			rt.Fatalf("%+q (prefix %v) finds %+q, and marks %+q", term.Text, term.Prefix, got, want)
		}
	})
}
