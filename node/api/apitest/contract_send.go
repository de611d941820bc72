package apitest

import (
	"strings"
	"time"

	"p2pchat/node/api"
)

func testSendAtOnce(p *party) {
	w := p.watch(p.Alice)
	defer w.stop()
	r, err := p.Alice.Send(p.ctx, api.SendRequest{Target: "bob", Text: "hi"})
	p.must(err)
	if r.State != api.Queued || r.Acked != 0 || r.Members != 1 || r.Conversation != p.conversation ||
		len(r.ID) != 64 || !isHex(r.ID) {
		p.Errorf("the receipt is %+v", r)
	}
	c := w.until("the message", func(c api.Change) bool { return c.Type == api.ChangeMessage })
	m := c.Message
	if m.ID != r.ID || m.State != api.Queued || m.Author != p.aliceID || m.Name != "alice" || m.Text != "hi" ||
		m.Kind != api.MessageText || m.Conversation != p.conversation || m.Seq != 1 || m.Time.IsZero() {
		p.Errorf("the message is %+v", m)
	}
	if m.Log == "" || !isHex(m.Log) {
		p.Errorf("the log is %q", m.Log)
	}
	w.until("its delivery", func(api.Change) bool { return w.messages[r.ID].State == api.Delivered })
}

func testSendAndWait(p *party) {
	w := p.watch(p.Bob)
	defer w.stop()
	r := p.say(p.Alice, "bob", "hi")
	if r.Acked != 1 || r.Members != 1 {
		p.Errorf("the receipt is %+v", r)
	}
	// Delivered means committed: bob has it now.
	log := p.log(p.Bob, api.LogQuery{Target: "alice"})
	if len(log) != 1 || log[0].ID != r.ID || log[0].State != api.Received {
		p.Fatalf("bob's log is %+v", log)
	}
	c := w.until("the message", func(c api.Change) bool { return c.Type == api.ChangeMessage })
	if !sameMessage(*c.Message, log[0]) {
		p.Errorf("bob was told %+v, his log says %+v", *c.Message, log[0])
	}
}

func testAwait(p *party) {
	sent, err := p.Alice.Send(p.ctx, api.SendRequest{Target: "bob", Text: "hi"})
	p.must(err)
	r, err := p.Alice.Await(p.ctx, sent, patience)
	if want := (api.Receipt{ID: sent.ID, Conversation: sent.Conversation, State: api.Delivered, Acked: 1, Members: 1}); err != nil || r != want {
		p.Errorf("after the wait: %+v, %v, want %+v", r, err, want)
	}
	for _, id := range []string{"", "hi", strings.Repeat("0", 64)} {
		_, err := p.Alice.Await(p.ctx, api.Receipt{ID: id}, patience)
		p.refused("await "+id, err, api.CodeNotFound)
	}
	_, err = p.Bob.Await(p.ctx, sent, patience)
	p.refused("await what another said", err, api.CodeNotFound)

	room := p.create(api.CreateRoomRequest{Name: "dev"})
	p.enter(p.Bob, room, room, "")
	sent, err = p.Alice.Send(p.ctx, api.SendRequest{Target: room, Text: "hi"})
	p.must(err)
	if r, err = p.Alice.Await(p.ctx, sent, patience); err != nil || r.ID != sent.ID || r.State != api.Delivered || r.Acked != 1 || r.Members != 1 {
		p.Errorf("after the wait in a room: %+v, %v", r, err)
	}

	p.BobLeaves()
	p.waitState(p.Alice, p.bobID, api.Offline)
	sent, err = p.Alice.Send(p.ctx, api.SendRequest{Target: "bob", Text: "are you there?"})
	p.must(err)
	if r, err = p.Alice.Await(p.ctx, sent, time.Millisecond); err != nil || r != sent {
		p.Errorf("after a wait in vain: %+v, %v, want %+v", r, err, sent)
	}
	edited, err := p.Alice.Edit(p.ctx, api.AmendRequest{Target: "bob", ID: sent.ID, Text: "there?"})
	p.must(err)
	if r, err = p.Alice.Await(p.ctx, edited, time.Millisecond); err != nil || r != edited {
		p.Errorf("after a wait in vain for an edit: %+v, %v, want %+v", r, err, edited)
	}
}

func testSendToTheAbsent(p *party) {
	p.say(p.Alice, "bob", "0")
	p.BobLeaves()
	p.waitState(p.Alice, p.bobID, api.Offline)
	w := p.watch(p.Alice)
	defer w.stop()
	for i, wait := range []time.Duration{0, time.Millisecond, 0} {
		r, err := p.Alice.Send(p.ctx, api.SendRequest{Target: "bob", Text: string(rune('1' + i)), Wait: wait})
		if err != nil || r.State != api.Queued || r.Acked != 0 {
			p.Fatalf("send to the absent bob with wait %v: %+v, %v", wait, r, err)
		}
	}
	s, err := p.Alice.Status(p.ctx)
	p.must(err)
	if *s.Queued != 3 {
		p.Errorf("status counts %d queued, want 3", *s.Queued)
	}

	bob := p.BobReturns()
	w.until("all is delivered", func(api.Change) bool {
		for _, m := range w.messages {
			if m.State != api.Delivered {
				return false
			}
		}
		return len(w.messages) == 3
	})
	s, err = p.Alice.Status(p.ctx)
	p.must(err)
	if *s.Queued != 0 {
		p.Errorf("status counts %d queued afterwards, want 0", *s.Queued)
	}
	var got []string
	for _, m := range p.log(bob, api.LogQuery{Target: "alice"}) {
		got = append(got, m.Text)
	}
	if strings.Join(got, "") != "0123" {
		p.Errorf("bob got %q, want each once and in order", got)
	}
}

func testTextsAreExact(p *party) {
	texts := []string{
		"a", " ", "\n", "two\nlines\r\n", "tab\tand\x00nul\x1b[2Jescape\x7f\u0085\u2028\u2029",
		`"quotes" \ </script>&amp;`, "héllo wörld 🎉 \u202eright to left", "\ufeff\ufffd", "/me", "/join #x",
		"日本語", strings.Repeat("x", api.MaxText), strings.Repeat("\x01", api.MaxText), strings.Repeat("語", api.MaxText/3),
	}
	for _, text := range texts {
		p.say(p.Alice, "bob", text)
	}
	for name, log := range map[string][]api.Message{
		"alice": p.log(p.Alice, api.LogQuery{Target: "bob"}), "bob": p.log(p.Bob, api.LogQuery{Target: "alice"}),
	} {
		if len(log) != len(texts) {
			p.Fatalf("%s's log has %d messages, want %d", name, len(log), len(texts))
		}
		for i, m := range log {
			if m.Text != texts[i] || m.Kind != api.MessageText {
				p.Errorf("%s's log has %.40q of kind %s, want %.40q", name, m.Text, m.Kind, texts[i])
			}
		}
	}

	action := p.say(p.Alice, "bob", "/me  waves ")
	log := p.log(p.Bob, api.LogQuery{Target: "alice", Last: 1})
	if m := log[0]; m.ID != action.ID || m.Kind != api.MessageAction || m.Text != " waves " {
		p.Errorf("the action is %+v", m)
	}
}

func testTextsRefused(p *party) {
	tests := []struct {
		name, text string
		want       api.Code
	}{
		{"empty", "", api.CodeBadText},
		{"not UTF-8", "a\xffb", api.CodeBadText},
		{"a surrogate", "\xed\xa0\x80", api.CodeBadText},
		{"a byte too long", strings.Repeat("x", api.MaxText+1), api.CodeTooLong},
		{"far too long", strings.Repeat("x", 8<<20), api.CodeTooLong},
		{"too long in bytes", strings.Repeat("語", api.MaxText/3+1), api.CodeTooLong},
	}
	for _, tt := range tests {
		_, err := p.Alice.Send(p.ctx, api.SendRequest{Target: "bob", Text: tt.text, Wait: patience})
		e := p.refused(tt.name, err, tt.want)
		if tt.want == api.CodeTooLong && !strings.Contains(e.Message, "16384") {
			p.Errorf("%s: message %q does not name the limit", tt.name, e.Message)
		}
	}
	if log := p.log(p.Alice, api.LogQuery{Target: "bob"}); len(log) != 0 {
		p.Errorf("what was refused is in the log: %+v", log)
	}
}
