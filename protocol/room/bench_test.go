package room

import (
	"testing"

	"p2pchat/protocol/event"
)

// busyTown is a room of 200 people with n control events by its owner, an
// admin and a moderator, who now and then act at once.
func busyTown(b *testing.B, n int) *town {
	b.Helper()
	w := newTown(b, 200)
	w.does(0, w.set(1, Admin), w.set(2, Moderator))
	root := event.ID(w.ID())
	auths := []event.ID{root, w.all[0].ID, w.all[1].ID}
	heads := []event.ID{w.all[1].ID}
	for i := 3; len(w.all) < n; i++ {
		p, about := i%3, 3+(i*7)%197
		op := Op{Kind: KindSet, Target: w.id(about), Standing: []Standing{Member, None, Outcast}[i/3%3]}
		switch {
		case p == 2:
			op = w.on([]event.Kind{KindKick, KindVoice, KindDevoice}[i/3%3], about)
		case p == 0 && i%10 == 0:
			op = configure(FieldModerated, uint64(i/10%2))
		case p == 0 && i%10 == 1:
			op = Op{Kind: KindSet, Target: w.id(about), Standing: Moderator}
		}
		op.Auth = auths[p]
		e := w.control(p, op, heads...)
		if w.AddControl(e).Results[0].Err != nil {
			continue // of somebody who happens to be higher
		}
		w.all = append(w.all, e)
		if i%16 != 0 { // else the next is concurrent
			heads = []event.ID{e.ID}
		} else if len(heads) < 3 {
			heads = append(heads, e.ID)
		}
		if i%50 == 0 {
			heads = w.Cite(w.id(0))
		}
	}
	return w
}

const busy = 10_000

// BenchmarkControl is a room of 10^4 control events from scratch.
func BenchmarkControl(b *testing.B) {
	w := busyTown(b, busy)
	for b.Loop() {
		r := w.fresh()
		for _, x := range r.AddControl(w.all...).Results {
			if x.Err != nil {
				b.Fatal(x.Err)
			}
		}
	}
	b.ReportMetric(float64(len(w.all)*b.N)/b.Elapsed().Seconds(), "events/s")
}

// BenchmarkOneMore is one control event on top of 10^4: by somebody who has seen
// all, and by somebody who has seen a part.
func BenchmarkOneMore(b *testing.B) {
	w := busyTown(b, busy)
	root := event.ID(w.ID())
	for _, c := range []struct {
		name string
		ctl  func(last event.ID) []event.ID
	}{
		{"SeenAll", func(last event.ID) []event.ID { return []event.ID{last} }},
		{"SeenHalf", func(event.ID) []event.ID { return []event.ID{w.all[len(w.all)/2].ID} }},
	} {
		b.Run(c.name, func(b *testing.B) {
			const batch = 500
			for b.Loop() {
				b.StopTimer()
				r := w.fresh()
				r.AddControl(w.all...)
				last := w.control(0, Op{Kind: KindVoice, Auth: root, Target: w.id(5)}, r.Cite(w.id(0))...)
				r.AddControl(last)
				var more []*event.Event
				for n := range batch {
					op := Op{Kind: KindSet, Auth: root, Target: w.id(3 + n%100), Standing: Member}
					last = w.control(0, op, c.ctl(last.ID)...)
					more = append(more, last)
				}
				b.StartTimer()
				for _, e := range more {
					if err := r.AddControl(e).Results[0].Err; err != nil {
						b.Fatal(err)
					}
				}
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*batch), "µs/event")
		})
	}
}

// BenchmarkMessages is 10^4 messages of 20 people in a room of 10^3 control
// events, and a switch that has all of them judged again.
func BenchmarkMessages(b *testing.B) {
	w := busyTown(b, 1000)
	ctl := w.Cite(w.id(0))
	body, err := event.EncodeText("text")
	if err != nil {
		b.Fatal(err)
	}
	join, err := EncodeBody(&Join{Nick: "somebody"})
	if err != nil {
		b.Fatal(err)
	}
	var speakers []int
	for p := 0; len(speakers) < 20; p++ {
		if w.MaySpeak(w.id(p)) == nil {
			speakers = append(speakers, p)
		}
	}
	var all []*event.Event
	last := make([]event.ID, 200)
	for n := range uint64(500) {
		for _, p := range speakers {
			h := event.Header{
				Conversation: w.ID(), Lane: event.LaneMessage, Log: logOf(1), Seq: n + 1, Prev: last[p], Ctl: ctl, Kind: event.KindText,
			}
			text := body
			if n == 0 {
				h.Kind, text = KindJoin, join
			}
			e := w.sign(p, h, text)
			last[p] = e.ID
			all = append(all, e)
		}
	}
	var r *Room
	b.Run("Add", func(b *testing.B) {
		for b.Loop() {
			b.StopTimer()
			r = w.fresh()
			r.AddControl(w.all...)
			b.StartTimer()
			for _, e := range all {
				if err := r.AddMessage(e).Results[0].Err; err != nil {
					b.Fatal(err)
				}
			}
		}
		b.ReportMetric(float64(len(all)*b.N)/b.Elapsed().Seconds(), "messages/s")
	})
	b.Run("Switch", func(b *testing.B) {
		n := uint64(0)
		for b.Loop() {
			n++
			b.StopTimer()
			e := w.control(0, Op{Kind: KindConfigure, Auth: event.ID(w.ID()), Setting: Setting{Field: FieldModerated, Number: n % 2}}, r.Cite(w.id(0))...)
			b.StartTimer()
			r.AddControl(e)
		}
		b.ReportMetric(float64(len(all)*b.N)/b.Elapsed().Seconds(), "messages/s")
	})
}
