package apitest

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"p2pchat/node/api"
)

// found are the texts that words find.
func (p *party) found(svc api.Service, words string, last int) []string {
	p.Helper()
	rows, err := svc.Search(p.ctx, api.SearchQuery{Words: words, Last: last})
	if err != nil {
		p.Fatalf("search %q: %v", words, err)
	}
	if rows == nil {
		p.Error("Search returned null instead of an empty list")
	}
	out := []string{}
	for _, m := range rows {
		out = append(out, m.Text)
	}
	return out
}

func (p *party) wantFound(svc api.Service, words string, want ...string) {
	p.Helper()
	if got := p.found(svc, words, 0); !slices.Equal(got, want) {
		p.Errorf("%q finds %q, want %q", words, got, want)
	}
}

func testSearch(p *party) {
	room := p.meet()
	p.wantFound(p.Alice, "anything")
	const (
		hello = "Hello Bob, the printer is on FIRE"
		reply = "which printer? the old one in the café?"
		han   = "打印机着火了，快来"
		kana  = "プリンターが燃えています"
		marks = `it's 100% "done" (sort of): see -x OR y* NEAR(z)`
		act   = "/me waves"
		last  = "no fire any more"
	)
	p.say(p.Alice, "bob", hello)
	p.say(p.Bob, "alice", reply)
	p.say(p.Bob, room, han)
	p.say(p.Alice, room, kana)
	p.say(p.Bob, room, marks)
	p.say(p.Alice, "bob", act)
	p.say(p.Alice, room, last)

	for _, svc := range []api.Service{p.Alice, p.Bob} {
		for words, want := range map[string][]string{
			"printer":                {hello, reply},
			"PRINTER Fire":           {hello},
			"fire":                   {hello, last},
			"print":                  {},
			"print*":                 {hello, reply},
			"cafe":                   {reply},
			"CAFÉ":                   {reply},
			"cafe\u0301":             {reply},
			`"printer is on"`:        {hello},
			`"is printer on"`:        {},
			`"printer is`:            {hello}, // a quote that is left open
			"from:alice fire":        {hello, last},
			"from:@bob printer":      {reply},
			"FROM:bob printer":       {reply},
			"in:" + room + " fire":   {last},
			"in:#dev fire from:bob":  {},
			"from:bob in:#dev":       {han, marks},
			"打印":                     {han},
			"火":                      {han},
			"着火了":                    {han},
			"打火":                     {},
			"燃え":                     {kana},
			"ﾌﾟﾘﾝﾀｰ":                 {kana}, // half-width
			"waves":                  {"waves"},
			"me waves":               {},
			"after:1h fire":          {hello, last},
			"before:1h fire":         {},
			"before:2000-01-01 fire": {},
			"after:2000-01-01 fire":  {hello, last},
			"absent fire":            {},
			"fire !!!":               {hello, last}, // nothing to be found of the one is no reason not to find the other
		} {
			p.wantFound(svc, words, want...)
		}
		// What are operators elsewhere are words here.
		for _, words := range []string{
			"OR", "-x", "100%", `done"`, `"done" "sort of"`, "NEAR(z)", "it's", `see -x OR "y* NEAR(z)"`, "(sort", "of):", "y*x or",
		} {
			if got := p.found(svc, words, 0); words != "y*x or" && !slices.Equal(got, []string{marks}) {
				p.Errorf("%q finds %q", words, got)
			}
		}
		for _, words := range []string{
			`"`, `""`, `" "`, "*", "**", "a AND", "NOT", "{text}: fire", "text:fire", "^fire", "fire +", "'; DROP TABLE search; --", "\x00fire", "a\x00", "\ue000c1", `\"`, "fire\\*",
		} {
			if _, err := svc.Search(p.ctx, api.SearchQuery{Words: words}); err != nil && !api.IsCode(err, api.CodeUsage) {
				p.Errorf("search %q: %v", words, err)
			}
		}
	}
	if got := p.found(p.Alice, "fire", 1); !slices.Equal(got, []string{last}) {
		p.Errorf("the newest is %q", got)
	}

	// What is found is what the log has.
	rows, err := p.Bob.Search(p.ctx, api.SearchQuery{Words: "from:alice fire"})
	p.must(err)
	log := append(p.log(p.Bob, api.LogQuery{Target: "alice"}), p.log(p.Bob, api.LogQuery{Target: room})...)
	for _, m := range rows {
		want := api.Place{Kind: api.KindRoom, Target: m.Conversation, Name: "dev"}
		if m.Text == hello {
			want = api.Place{Kind: api.KindDirect, Target: p.aliceID, Name: "alice"}
		}
		if m.Place == nil || *m.Place != want {
			p.Errorf("%q was found in %+v, want %+v", m.Text, m.Place, want)
		}
		m.Place = nil
		if !slices.ContainsFunc(log, func(l api.Message) bool { return reflect.DeepEqual(l, m) }) {
			p.Errorf("found %+v, which is not in the log", m)
		}
	}
}

func testSearchRefused(p *party) {
	for words, code := range map[string]api.Code{
		"": api.CodeUsage, "!!!": api.CodeUsage, "  ": api.CodeUsage, "before:1h": api.CodeUsage, "from:": api.CodeUsage, "in: x": api.CodeUsage,
		"from:bob from:alice": api.CodeUsage, "before:yesterday x": api.CodeUsage, "after:-1h x": api.CodeUsage, "ab*": api.CodeUsage,
		"from:nobody x": api.CodeNotFound, "in:nowhere x": api.CodeNotFound, "in:#bob x": api.CodeNotFound,
		strings.Repeat("x", api.MaxSearch+1): api.CodeTooLong, strings.Repeat("x ", 100): api.CodeTooLong, "\xff": api.CodeBadText,
	} {
		_, err := p.Alice.Search(p.ctx, api.SearchQuery{Words: words})
		p.refused(fmt.Sprintf("search %.20q", words), err, code)
	}
	p.Join("bob")
	p.eventually("two are called bob", func() bool {
		_, err := p.Alice.Search(p.ctx, api.SearchQuery{Words: "from:bob x"})
		return api.IsCode(err, api.CodeAmbiguous)
	})
}

func testSearchHidden(p *party) {
	room := p.meet()
	p.say(p.Bob, "alice", "needle between us")
	in := p.say(p.Bob, room, "needle in the room")
	p.say(p.Alice, room, "needle of mine")
	p.setBlocked(p.Alice, "bob", true)
	p.wantFound(p.Alice, "needle", "needle of mine")
	p.wantFound(p.Alice, "needle from:bob")
	p.wantFound(p.Alice, "needle in:@bob", "needle between us")
	p.setBlocked(p.Alice, "bob", false)
	p.wantFound(p.Alice, "needle", "needle between us", "needle in the room", "needle of mine")

	_, err := p.Alice.Govern(p.ctx, api.GovernRequest{Room: room, Act: api.ActRetract, ID: in.ID})
	p.must(err)
	for _, svc := range []api.Service{p.Alice, p.Bob} {
		p.eventually("it is not found any more", func() bool {
			return slices.Equal(p.found(svc, "needle", 0), []string{"needle between us", "needle of mine"})
		})
	}
	_, err = p.Alice.LeaveRoom(p.ctx, room)
	p.must(err)
	p.wantFound(p.Alice, "needle in:"+room, "needle of mine")
}

func testLogAround(p *party) {
	room := p.meet()
	for _, target := range []string{"bob", room} {
		var ids []string
		for i := range 9 {
			ids = append(ids, p.say(p.Alice, target, fmt.Sprint(i)).ID)
		}
		for _, tt := range []struct {
			q    api.LogQuery
			want []string
		}{
			{api.LogQuery{After: ids[3]}, ids[4:]},
			{api.LogQuery{After: ids[3], Last: 2}, ids[4:6]},
			{api.LogQuery{After: ids[8]}, nil},
			{api.LogQuery{After: ids[3], Before: ids[6]}, ids[4:6]},
			{api.LogQuery{After: ids[3], Before: ids[8], Last: 1}, ids[4:5]},
			{api.LogQuery{After: ids[3], Since: time.Now().Add(time.Hour)}, nil},
		} {
			for _, all := range []bool{false, true} {
				tt.q.Target, tt.q.All = target, all
				var got []string
				for _, m := range p.log(p.Alice, tt.q) {
					if m.Kind == api.MessageText {
						got = append(got, m.ID)
					}
				}
				if !slices.Equal(got, tt.want) {
					p.Errorf("%+v gives %q, want %q", tt.q, got, tt.want)
				}
			}
		}
		_, err := p.Alice.Log(p.ctx, api.LogQuery{Target: target, After: "00"})
		p.refused("log after 00", err, api.CodeNotFound)
	}
}

func testSearchAmended(p *party) {
	room := p.meet()
	for _, talk := range []struct{ alices, bobs string }{{"bob", "alice"}, {room, room}} {
		said := p.say(p.Alice, talk.alices, "the frist word")
		other := p.say(p.Alice, talk.alices, "another word")
		want := func(words string, want ...string) {
			p.Helper()
			p.eventually(fmt.Sprintf("%q finds %q", words, want), func() bool {
				return slices.Equal(p.found(p.Alice, words+" in:"+talk.alices, 0), want) && slices.Equal(p.found(p.Bob, words+" in:"+talk.bobs, 0), want)
			})
		}
		p.edit(p.Alice, talk.alices, said.ID, "the fisrt word")
		p.edit(p.Alice, talk.alices, said.ID, "the first word")
		want("word", "the first word", "another word")
		want("first", "the first word")
		want("frist")
		want("fisrt")
		p.react(p.Bob, talk.bobs, other.ID, "great", false)
		want("great")
		want("another", "another word")
		if got := p.found(p.Bob, "word in:"+talk.bobs, 1); len(got) != 1 {
			p.Errorf("the newest is %q", got)
		}
		p.retract(p.Alice, talk.alices, said.ID)
		want("word", "another word")
		want("first")
	}
}
