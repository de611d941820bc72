package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	mathrand "math/rand"
	"slices"
	"strings"
	"time"

	"p2pchat/node"
	"p2pchat/node/api"
	"p2pchat/node/internal/store"
	protocol "p2pchat/protocol/event"
	"p2pchat/protocol/identity"
)

// The archive that is searched: so many people, one after the other in turn, said
// so many messages each to us, a second apart.
const (
	archivePeople = 100
	archiveEach   = 10_000
	archiveWords  = 20_000
)

// searching measures finding and opening among 10⁶ messages.
func searching(ctx context.Context, b *bench) (t table, err error) {
	dir, err := b.scratch("search")
	if err != nil {
		return t, err
	}
	began := time.Now()
	if err := makeArchive(ctx, dir); err != nil {
		return t, err
	}
	made := time.Since(began)
	waits, took, err := makeIndex(ctx, dir)
	if err != nil {
		return t, err
	}
	kinds := []struct {
		what    string
		queries []string
	}{
		{"a rare word", every("rare%d", 20)},
		{"a frequent word", every("word%d", 20)},
		{"two words", []string{"word1 word2", "word3 word9", "word0 word40", "word5 word300", "word2 rare3"}},
		{"a phrase", []string{`"word0 word1"`, `"word3 word2"`, `"word0 word0 word1"`, `"word10 word4"`}},
		{"from: somebody", []string{"word0 from:person7", "word30 from:person8", "from:person9", "rare4 from:person10"}},
		{"in: a conversation, before: a time", []string{"word0 in:@person3 before:2020-01-03", "word20 in:@person4 before:2020-01-05", "word1 before:2020-01-02"}},
		{"the beginning of a word", []string{"word12*", "rare*", "word999*", "word55*"}},
		{"two frequent words that never meet", []string{"even odd"}},
	}
	rows := make([]row, len(kinds))
	for i, k := range kinds {
		rows[i] = row{What: k.what, Unit: "ms"}
	}
	all := row{What: "95 of 100 queries", Unit: "ms", Limit: 50}
	worst := row{What: "the slowest query", Unit: "ms"}
	open := row{What: "open the store and read the newest 100 of a conversation", Unit: "ms"}
	for range b.runs {
		begun := time.Now()
		r, err := node.OpenReader(ctx, dir, "bench")
		if err != nil {
			return t, err
		}
		if _, err := r.Log(ctx, api.LogQuery{Target: "@person1", Last: 100}); err != nil {
			return t, errors.Join(err, r.Close())
		}
		open.Subject = append(open.Subject, millis(time.Since(begun)))
		var every []float64
		for i, k := range kinds {
			var some []float64
			for _, words := range k.queries {
				begun := time.Now()
				if _, err := r.Search(ctx, api.SearchQuery{Words: words, Last: 50}); err != nil {
					return t, errors.Join(fmt.Errorf("search %s: %w", words, err), r.Close())
				}
				some = append(some, millis(time.Since(begun)))
			}
			rows[i].Subject = append(rows[i].Subject, median(some))
			every = append(every, some...)
		}
		all.Subject = append(all.Subject, quantile(every, 0.95))
		worst.Subject = append(worst.Subject, slices.Max(every))
		if err := r.Close(); err != nil {
			return t, err
		}
	}
	t.Rows = slices.Concat([]row{all, worst}, rows, []row{
		open,
		{What: "the index of all, in one go", Unit: "s", Subject: []float64{took.Seconds()}},
		{What: "a commit meanwhile, p50", Unit: "ms", Subject: []float64{median(waits)}},
		{What: "a commit meanwhile, p99", Unit: "ms", Subject: []float64{quantile(waits, 0.99)}},
		{What: "a commit meanwhile, the slowest", Unit: "ms", Subject: []float64{slices.Max(waits)}},
	})
	t.Notes = []string{fmt.Sprintf("%d messages of ten words of %d (as uneven as words are, the most frequent in every\n"+
		"second message), in %d conversations; made in %.0f s. `search` without a node, 50 newest messages,\n"+
		"the median over the queries of a kind. The index is made behind what is said: normally of a few\n"+
		"messages at a time, here of all of them.", archivePeople*archiveEach, archiveWords, archivePeople, made.Seconds())}
	return t, nil
}

func every(format string, n int) []string {
	var out []string
	for i := range n {
		out = append(out, fmt.Sprintf(format, i))
	}
	return out
}

// makeArchive makes an account in dir to which much was said.
func makeArchive(ctx context.Context, dir string) error {
	_, err := node.CreateAccount(ctx, dir, "reader", nil)
	if err != nil {
		return err
	}
	st, err := store.Open(ctx, dir, store.Options{})
	if err != nil {
		return err
	}
	return errors.Join(fillArchive(ctx, st), st.Close())
}

func fillArchive(ctx context.Context, st *store.Store) error {
	acc, err := st.Account(ctx)
	if err != nil {
		return err
	}
	r := mathrand.New(mathrand.NewSource(1))
	words := mathrand.NewZipf(r, 1.1, 3, archiveWords-1)
	start := time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)
	for p := range archivePeople {
		key, err := identity.NewKey(rand.Reader)
		if err != nil {
			return err
		}
		conv := protocol.Direct(acc.Peer, key.ID())
		h := protocol.Header{Conversation: conv, Lane: protocol.LaneMessage, Kind: protocol.KindText, Log: protocol.LogID{1}}
		err = st.Update(ctx, func(tx *store.Tx) error {
			c := store.Contact{Peer: key.ID(), Name: fmt.Sprint("person", p), FirstSeen: start, LastSeen: start}
			return errors.Join(tx.PutContact(c), tx.PutConversation(conv, store.KindDirect, key.ID()))
		})
		for n := 0; n < archiveEach && err == nil; {
			err = st.Update(ctx, func(tx *store.Tx) error {
				for range 500 {
					i := n*archivePeople + p
					body, err := protocol.EncodeText(archiveText(i, words))
					if err != nil {
						return err
					}
					n++
					h.Seq, h.Time = uint64(n), protocol.At(start.Add(time.Duration(i)*time.Second))
					e, err := protocol.Sign(key, h, body)
					if err != nil {
						return err
					}
					h.Prev = e.ID
					if _, err := tx.Insert(e, h.Time.Wall()); err != nil {
						return err
					}
				}
				return nil
			})
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func archiveText(i int, words *mathrand.Zipf) string {
	text := []string{[2]string{"even", "odd"}[i%2]}
	for range 10 {
		text = append(text, fmt.Sprint("word", words.Uint64()))
	}
	if i%5000 == 0 {
		text = append(text, fmt.Sprint("rare", i/5000%20))
	}
	return strings.Join(text, " ")
}

// makeIndex has all of it in the index, and returns how long commits took that
// were made meanwhile, in ms.
func makeIndex(ctx context.Context, dir string) (waits []float64, took time.Duration, err error) {
	st, err := store.Open(ctx, dir, store.Options{})
	if err != nil {
		return nil, 0, err
	}
	defer func() { err = errors.Join(err, st.Close()) }()
	done := make(chan error, 1) // the one result
	began := time.Now()
	go func() { // ends with the search
		_, err := st.Search(ctx, store.SearchQuery{Terms: []store.Term{{Text: "nothing"}}})
		took = time.Since(began)
		done <- err
	}()
	for n := protocol.Time(1); ; n++ {
		select {
		case err := <-done:
			return waits, took, err
		case <-time.After(5 * time.Millisecond):
		}
		begun := time.Now()
		if err := st.Update(ctx, func(tx *store.Tx) error { return tx.SetClock(n) }); err != nil {
			return nil, 0, errors.Join(err, <-done)
		}
		waits = append(waits, millis(time.Since(begun)))
	}
}
