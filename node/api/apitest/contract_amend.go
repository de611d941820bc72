package apitest

import (
	"slices"
	"strings"
	"time"

	"p2pchat/node/api"
)

// amends says something about a message and waits for the receipt.
func (p *party) amends(call func(api.AmendRequest) (api.Receipt, error), r api.AmendRequest) api.Receipt {
	p.Helper()
	r.Wait = patience
	receipt, err := call(r)
	p.must(err)
	if receipt.ID == "" || receipt.ID == r.ID || receipt.State != api.Delivered && receipt.State != api.Read {
		p.Fatalf("the receipt is %+v", receipt)
	}
	return receipt
}

func (p *party) edit(svc api.Service, target, id, text string) api.Receipt {
	p.Helper()
	return p.amends(func(r api.AmendRequest) (api.Receipt, error) { return svc.Edit(p.ctx, r) }, api.AmendRequest{Target: target, ID: id, Text: text})
}

func (p *party) retract(svc api.Service, target, id string) api.Receipt {
	p.Helper()
	return p.amends(func(r api.AmendRequest) (api.Receipt, error) { return svc.Retract(p.ctx, r) }, api.AmendRequest{Target: target, ID: id})
}

func (p *party) react(svc api.Service, target, id, text string, undo bool) api.Receipt {
	p.Helper()
	return p.amends(func(r api.AmendRequest) (api.Receipt, error) { return svc.React(p.ctx, r) },
		api.AmendRequest{Target: target, ID: id, Text: text, Undo: undo})
}

// seen waits until svc's log shows message id so.
func (p *party) seen(svc api.Service, target, id, what string, so func(api.Message) bool) api.Message {
	p.Helper()
	var got api.Message
	p.eventually(what, func() bool {
		for _, m := range p.log(svc, api.LogQuery{Target: target}) {
			if m.ID == id {
				got = m
				return so(m)
			}
		}
		return false
	})
	return got
}

// amended runs in a conversation of two and in a room.
func amended(p *party, alices, bobs string) {
	both := map[string]api.Service{alices: p.Alice, bobs: p.Bob}
	wa, wb := p.watch(p.Alice), p.watch(p.Bob)
	defer wa.stop()
	defer wb.stop()
	first := p.say(p.Alice, alices, "helo")
	second := p.say(p.Alice, alices, "/me waves")
	wb.until("bob hears both", func(api.Change) bool { return wb.messages[second.ID].ID != "" })

	// Edited, by the beginning of its ID; in its place.
	p.edit(p.Alice, alices, first.ID[:api.MinID], "hello")
	p.edit(p.Alice, alices, first.ID, "/me says hello")
	for target, svc := range both {
		m := p.seen(svc, target, first.ID, "the edit shows", func(m api.Message) bool { return m.Kind == api.MessageAction })
		if m.Text != "says hello" || m.Edited.IsZero() || m.Retracted || m.Seq == 0 {
			p.Errorf("edited: %+v", m)
		}
	}
	for who, w := range map[string]*watcher{"alice": wa, "bob": wb} {
		w.until(who+" is told of the edit", func(api.Change) bool { return w.messages[first.ID].Text == "says hello" })
	}

	// Answered.
	reply, err := p.Bob.Send(p.ctx, api.SendRequest{Target: bobs, Text: "hi", ReplyTo: first.ID[:12], Wait: patience})
	p.must(err)
	for target, svc := range both {
		p.seen(svc, target, reply.ID, "the reply says what it answers", func(m api.Message) bool { return m.ReplyTo == first.ID })
	}

	// Reacted to; one person reacts once so.
	p.react(p.Bob, bobs, first.ID, "👍", false)
	p.react(p.Bob, bobs, first.ID, "👍", false)
	p.react(p.Alice, alices, first.ID, "👍", false)
	p.react(p.Bob, bobs, first.ID, "❤️", false)
	reactions := func(want ...api.Reaction) func(api.Message) bool {
		return func(m api.Message) bool {
			return slices.EqualFunc(m.Reactions, want, func(a, b api.Reaction) bool {
				slices.Sort(a.By)
				slices.Sort(b.By)
				return a.Text == b.Text && slices.Equal(a.By, b.By)
			})
		}
	}
	for target, svc := range both {
		p.seen(svc, target, first.ID, "the reactions show", reactions(api.Reaction{Text: "👍", By: []string{p.bobID, p.aliceID}}, api.Reaction{Text: "❤️", By: []string{p.bobID}}))
	}
	p.react(p.Alice, alices, first.ID, "", true) // the only one
	_, err = p.Bob.React(p.ctx, api.AmendRequest{Target: bobs, ID: first.ID, Undo: true})
	p.refused("one of two is not named", err, api.CodeUsage)
	p.react(p.Bob, bobs, first.ID, "👍", true)
	for target, svc := range both {
		p.seen(svc, target, first.ID, "those taken away do not show", reactions(api.Reaction{Text: "❤️", By: []string{p.bobID}}))
	}
	wa.until("alice is told", func(api.Change) bool {
		return reactions(api.Reaction{Text: "❤️", By: []string{p.bobID}})(wa.messages[first.ID])
	})

	// Taken back: what it said is nowhere, also not in what is answered later.
	p.retract(p.Alice, alices, second.ID)
	gone := func(m api.Message) bool { return m.Retracted && m.Text == "" && m.Kind == api.MessageText }
	for target, svc := range both {
		p.seen(svc, target, second.ID, "it is gone", gone)
	}
	for who, w := range map[string]*watcher{"alice": wa, "bob": wb} {
		w.until(who+" is told that it is gone", func(api.Change) bool { return gone(w.messages[second.ID]) })
	}

	// Nothing of it is a message of its own, but all of it is kept.
	for target, svc := range both {
		if rows := p.log(svc, api.LogQuery{Target: target}); len(rows) != 3 {
			p.Errorf("%d messages: %+v", len(rows), rows)
		}
		count := map[string]int{}
		for _, m := range p.log(svc, api.LogQuery{Target: target, All: true}) {
			count[m.Kind]++
			if api.Listed(m.Kind) != (m.About == "") && m.Kind != api.MessageJoin && m.Kind != api.MessageGovern {
				p.Errorf("listed with --all: %+v", m)
			}
		}
		if count[api.MessageEdit] != 2 || count[api.MessageRetraction] != 1 || count[api.MessageReaction] != 4 || count[api.MessageUnreaction] != 2 {
			p.Errorf("listed with --all: %v", count)
		}
	}
	if wa.messages[reply.ID].ID == "" || len(wa.messages) > 8 {
		p.Errorf("alice was told of %d messages", len(wa.messages))
	}
	amendRefused(p, alices, bobs, first.ID, second.ID)
}

func amendRefused(p *party, alices, bobs, first, gone string) {
	long := strings.Repeat("x", api.MaxText+1)
	for what, tt := range map[string]struct {
		call func(api.AmendRequest) (api.Receipt, error)
		r    api.AmendRequest
		want api.Code
	}{
		"another's edited":      {p.edits(p.Bob), api.AmendRequest{Target: bobs, ID: first, Text: "evil"}, api.CodeForbidden},
		"another's taken back":  {p.retracts(p.Bob), api.AmendRequest{Target: bobs, ID: first}, api.CodeForbidden},
		"to what is gone":       {p.reacts(p.Bob), api.AmendRequest{Target: bobs, ID: gone, Text: "👍"}, api.CodeNotFound},
		"gone twice":            {p.retracts(p.Alice), api.AmendRequest{Target: alices, ID: gone}, api.CodeNotFound},
		"none there":            {p.edits(p.Alice), api.AmendRequest{Target: alices, ID: strings.Repeat("0", 64), Text: "x"}, api.CodeNotFound},
		"too few digits":        {p.edits(p.Alice), api.AmendRequest{Target: alices, ID: first[:api.MinID-1], Text: "x"}, api.CodeNotFound},
		"no digits":             {p.edits(p.Alice), api.AmendRequest{Target: alices, ID: "not an ID", Text: "x"}, api.CodeNotFound},
		"nobody":                {p.edits(p.Alice), api.AmendRequest{Target: "nobody", ID: first, Text: "x"}, api.CodeNotFound},
		"to nothing":            {p.edits(p.Alice), api.AmendRequest{Target: alices, ID: first}, api.CodeBadText},
		"too long":              {p.edits(p.Alice), api.AmendRequest{Target: alices, ID: first, Text: long}, api.CodeTooLong},
		"a reaction too long":   {p.reacts(p.Alice), api.AmendRequest{Target: alices, ID: first, Text: long[:api.MaxReaction+1]}, api.CodeTooLong},
		"a reaction of nothing": {p.reacts(p.Alice), api.AmendRequest{Target: alices, ID: first}, api.CodeBadText},
		"a reaction in lines":   {p.reacts(p.Alice), api.AmendRequest{Target: alices, ID: first, Text: "a\nb"}, api.CodeBadText},
		"none to take away":     {p.reacts(p.Alice), api.AmendRequest{Target: alices, ID: first, Undo: true}, api.CodeNotFound},
		"no such to take away":  {p.reacts(p.Bob), api.AmendRequest{Target: bobs, ID: first, Text: "👎", Undo: true}, api.CodeNotFound},
	} {
		_, err := tt.call(tt.r)
		p.refused(what, err, tt.want)
	}
	for _, m := range p.log(p.Alice, api.LogQuery{Target: alices}) {
		if m.ID == first {
			if m.Kind == api.MessageAction {
				m.Text = "/me " + m.Text
			}
			_, err := p.Alice.Edit(p.ctx, api.AmendRequest{Target: alices, ID: first, Text: m.Text})
			p.refused("an edit to the same", err, api.CodeUsage)
		}
	}
	_, err := p.Alice.Send(p.ctx, api.SendRequest{Target: alices, Text: "x", ReplyTo: strings.Repeat("0", 64)})
	p.refused("an answer to nothing", err, api.CodeNotFound)
}

func (p *party) edits(svc api.Service) func(api.AmendRequest) (api.Receipt, error) {
	return func(r api.AmendRequest) (api.Receipt, error) { return svc.Edit(p.ctx, r) }
}

func (p *party) retracts(svc api.Service) func(api.AmendRequest) (api.Receipt, error) {
	return func(r api.AmendRequest) (api.Receipt, error) { return svc.Retract(p.ctx, r) }
}

func (p *party) reacts(svc api.Service) func(api.AmendRequest) (api.Receipt, error) {
	return func(r api.AmendRequest) (api.Receipt, error) { return svc.React(p.ctx, r) }
}

func testAmend(p *party) {
	amended(p, "bob", "alice")
	if row := p.row(p.Bob, p.aliceID); row.Unread != 2 {
		p.Errorf("what is said about messages is unread: %+v", row)
	}
}

func testAmendAbsent(p *party) {
	r := p.say(p.Alice, "bob", "SECRET")
	kept := p.say(p.Alice, "bob", "draft")
	p.BobLeaves()
	p.waitState(p.Alice, p.bobID, api.Offline)
	for what, call := range map[string]func() (api.Receipt, error){
		"edit": func() (api.Receipt, error) {
			return p.Alice.Edit(p.ctx, api.AmendRequest{Target: "bob", ID: kept.ID, Text: "final"})
		},
		"retract": func() (api.Receipt, error) { return p.Alice.Retract(p.ctx, api.AmendRequest{Target: "bob", ID: r.ID}) },
		"react": func() (api.Receipt, error) {
			return p.Alice.React(p.ctx, api.AmendRequest{Target: "bob", ID: kept.ID, Text: "👍"})
		},
	} {
		if q, err := call(); err != nil || q.State != api.Queued || q.Members != 1 || q.Conversation != p.conversation {
			p.Errorf("%s: %+v, %v", what, q, err)
		}
	}
	bob := p.BobReturns()
	p.seen(bob, "alice", kept.ID, "the edit comes", func(m api.Message) bool { return m.Text == "final" && len(m.Reactions) == 1 })
	p.seen(bob, "alice", r.ID, "it is gone", func(m api.Message) bool { return m.Retracted && m.Text == "" })
}

func testAmendBlocked(p *party) {
	r := p.say(p.Alice, "bob", "x")
	p.setBlocked(p.Alice, "bob", true)
	_, err := p.Alice.Edit(p.ctx, api.AmendRequest{Target: "bob", ID: r.ID, Text: "y"})
	p.refused("an edit for somebody blocked", err, api.CodeForbidden)
}

func testRoomAmend(p *party) {
	room := p.create(api.CreateRoomRequest{Name: "dev"})
	p.enter(p.Bob, room, "#dev", "")
	amended(p, "#dev", room)

	// Of whoever is blocked nothing counts while he is.
	id := p.say(p.Alice, room, "liked").ID
	p.seen(p.Bob, room, id, "bob has it", func(api.Message) bool { return true })
	p.react(p.Bob, room, id, "👍", false)
	likes := func(n int) func(api.Message) bool {
		return func(m api.Message) bool { return len(m.Reactions) == n }
	}
	p.seen(p.Alice, room, id, "liked", likes(1))
	p.setBlocked(p.Alice, "bob", true)
	p.seen(p.Alice, room, id, "blocked", likes(0))
	p.setBlocked(p.Alice, "bob", false)
	p.seen(p.Alice, room, id, "unblocked", likes(1))

	// A moderator takes back what somebody made of his text: what he first said
	// shows again.
	said := p.say(p.Bob, room, "fine").ID
	edit := p.edit(p.Bob, room, said, "rude").ID
	p.seen(p.Alice, room, said, "the edit comes", func(m api.Message) bool { return m.Text == "rude" })
	_, err := p.Alice.Govern(p.ctx, api.GovernRequest{Room: room, Act: api.ActRetract, ID: edit})
	p.must(err)
	for _, svc := range []api.Service{p.Alice, p.Bob} {
		p.seen(svc, room, said, "the edit is taken back", func(m api.Message) bool { return m.Text == "fine" && m.Edited.IsZero() })
	}

	// Where one may not speak one may not do this either.
	_, err = p.Alice.Govern(p.ctx, api.GovernRequest{Room: room, Act: api.ActDevoice, Who: "bob"})
	p.must(err)
	p.eventually("bob knows that he is mute", func() bool {
		_, err := p.Bob.Send(p.ctx, api.SendRequest{Target: room, Text: "still here"})
		return api.IsCode(err, api.CodeForbidden)
	})
	for what, call := range map[string]func(api.AmendRequest) (api.Receipt, error){"edit": p.edits(p.Bob), "retract": p.retracts(p.Bob), "react": p.reacts(p.Bob)} {
		_, err := call(api.AmendRequest{Target: room, ID: said, Text: map[string]string{"edit": "x", "react": "👍"}[what]})
		p.refused(what+" without voice", err, api.CodeForbidden)
	}
	_, err = p.Bob.LeaveRoom(p.ctx, room)
	p.must(err)
	_, err = p.Bob.Retract(p.ctx, api.AmendRequest{Target: room, ID: said})
	p.refused("after leaving", err, api.CodeNotJoined)
}

func testRoomAmendSlow(p *party) {
	room := p.create(api.CreateRoomRequest{Name: "dev"})
	p.enter(p.Bob, room, "#dev", "")
	_, err := p.Alice.Configure(p.ctx, api.ConfigureRequest{Room: room, Set: []api.Setting{{Key: "slow_mode", Value: time.Hour.String()}}})
	p.must(err)
	p.eventually("bob knows the pace", func() bool {
		s, err := p.Bob.RoomState(p.ctx, room)
		p.must(err)
		return s.Config["slow_mode"] != "0s"
	})
	id := p.say(p.Bob, room, "one").ID
	_, err = p.Bob.Edit(p.ctx, api.AmendRequest{Target: room, ID: id, Text: "two"})
	p.refused("an edit says as much as a text", err, api.CodeTooFast)
	p.react(p.Bob, room, id, "👍", false)
	p.retract(p.Bob, room, id)
}
