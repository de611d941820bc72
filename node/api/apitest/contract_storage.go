package apitest

import (
	"time"

	"p2pchat/node/api"
)

func testStorage(p *party) {
	if _, err := p.Alice.Send(p.ctx, api.SendRequest{Target: "bob", Text: "something to keep"}); err != nil {
		p.Fatal(err)
	}
	s, err := p.Alice.Storage(p.ctx)
	if err != nil || s.MaxAge != nil || s.MaxSize != nil || s.Bytes < s.Used || s.Used == 0 {
		p.Fatalf("storage %+v, %v", s, err)
	}
	if len(s.Conversations) != 1 || s.Conversations[0].ID != p.conversation || s.Conversations[0].Kind != api.KindDirect ||
		s.Conversations[0].Name != "bob" || s.Conversations[0].Events != 1 || s.Conversations[0].Bytes < 200 || s.Conversations[0].Oldest == nil {
		p.Errorf("conversations %+v", s.Conversations)
	}
	age, size := api.Duration{Duration: 48 * time.Hour}, int64(64<<20)
	for _, want := range []api.Retention{{MaxAge: &age}, {MaxAge: &age, MaxSize: &size}, {MaxSize: &size}, {}} {
		set, err := p.Alice.SetRetention(p.ctx, want)
		p.must(err)
		again, err := p.Alice.Storage(p.ctx)
		p.must(err)
		for _, got := range []api.Storage{set, again} {
			if (got.MaxAge == nil) != (want.MaxAge == nil) || got.MaxAge != nil && *got.MaxAge != age ||
				(got.MaxSize == nil) != (want.MaxSize == nil) || got.MaxSize != nil && *got.MaxSize != size {
				p.Errorf("limits %+v, want %+v", got.Retention, want)
			}
		}
	}
	little, few := api.Duration{Duration: time.Minute}, int64(1000)
	for _, bad := range []api.Retention{{MaxAge: &little}, {MaxSize: &few}, {MaxAge: &api.Duration{Duration: -age.Duration}}} {
		if _, err := p.Alice.SetRetention(p.ctx, bad); !api.IsCode(err, api.CodeUsage) {
			p.Errorf("limits %+v: %v", bad, err)
		}
	}
	if log, err := p.Alice.Log(p.ctx, api.LogQuery{Target: "bob"}); err != nil || len(log) != 1 {
		p.Errorf("within the limits, and the log is %+v, %v", log, err)
	}
}
