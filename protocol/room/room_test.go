package room

import (
	"slices"
	"testing"
	"time"

	"p2pchat/protocol/event"
)

func TestEntering(t *testing.T) {
	t.Parallel()
	w := newTown(t, 6, Password(1), Setting{Field: FieldOccupants, Number: 2})
	w.does(0, w.set(1, Admin), w.set(2, Member), w.set(3, Outcast))
	ok := Entry{Password: true, Occupants: 1}
	for _, c := range []struct {
		who  int
		e    Entry
		want Code
	}{
		{3, Entry{}, Banned},
		{4, ok, ""},
		{4, Entry{Occupants: 5, NickTaken: true}, NotAuthorized},
		{4, Entry{Password: true, Occupants: 2, NickTaken: true}, Full},
		{1, Entry{Password: true, Occupants: 2}, ""},
		{0, Entry{Password: true, Occupants: 9, NickTaken: true}, NickConflict},
	} {
		if err := w.Admits(w.id(c.who), c.e); code(err) != c.want || (err == nil) != (c.want == "") {
			t.Errorf("person %d, %+v: %v, want %q", c.who, c.e, err, c.want)
		}
	}
	w.does(0, configure(FieldAccess, 1))
	if err := w.Admits(w.id(4), ok); code(err) != MembershipRequired {
		t.Error(err)
	}
	if err := w.Admits(w.id(2), ok); err != nil {
		t.Error(err)
	}
	w.does(0, Op{Kind: KindDestroy, Reason: "moved", Alternate: event.Conversation{7}})
	if err := w.Admits(w.id(0), ok); code(err) != Destroyed {
		t.Error(err)
	}
	if ended, why, alt := w.Ended(); !ended || why != "moved" || alt != (event.Conversation{7}) {
		t.Error(ended, why, alt)
	}
	if _, err := w.draft(0, w.set(4, Member)); code(err) != Destroyed {
		t.Error(err)
	}
}

func TestPrivileges(t *testing.T) {
	t.Parallel()
	w := newTown(t, 7, Setting{Field: FieldModerated, Number: 1})
	w.does(0, w.set(1, Owner), w.set(2, Admin), w.set(3, Moderator), w.set(4, Member), w.set(6, Outcast))
	roles := []Role{RoleOwner, RoleOwner, RoleAdmin, RoleModerator, Participant, Visitor, Nobody}
	for p, want := range roles {
		if got := w.Role(w.id(p)); got != want {
			t.Errorf("person %d is %s, want %s", p, got, want)
		}
		for _, v := range Privileges() {
			may := w.May(w.id(p), v) == nil
			want := Allowed(v, want) == Yes || v == Invite && Allowed(v, want) == IfConfigured && want == Participant
			if may != want {
				t.Errorf("person %d, %s: %t", p, v, may)
			}
		}
	}
	w.does(0, configure(FieldInviteBy, 2), configure(FieldSubjectBy, 1), configure(FieldPMBy, 1))
	if w.May(w.id(5), Invite) != nil || w.May(w.id(4), ChangeSubject) != nil || w.May(w.id(5), ChangeSubject) == nil {
		t.Error("the configuration does not count")
	}
	if w.MayWrite(w.id(4), w.id(5)) == nil || w.MayWrite(w.id(4), w.id(3)) != nil || w.MayWrite(w.id(6), w.id(3)) == nil {
		t.Error("private messages")
	}
}

func TestPace(t *testing.T) {
	t.Parallel()
	w := newTown(t, 2, Setting{Field: FieldSlowMode, Number: 10_000})
	at := time.Unix(1000, 0)
	if code(w.Paced(w.id(1), at, at.Add(9*time.Second))) != TooFast || w.Paced(w.id(1), at, at.Add(10*time.Second)) != nil {
		t.Error("slow mode")
	}
	if w.Paced(w.id(0), at, at) != nil {
		t.Error("slow mode binds no owner")
	}
}

func TestDraftRefusesBatchWhole(t *testing.T) {
	t.Parallel()
	w := newTown(t, 5)
	w.does(0, w.set(1, Admin))
	for _, ops := range [][]Op{
		{w.set(2, Member), w.set(3, Admin)},
		{w.set(2, Member), w.set(2, None)},
		{w.on(KindVoice, 2), w.on(KindDevoice, 2)},
		{w.set(2, Member), w.set(1, None)},
		{},
		{{Kind: KindGenesis}},
	} {
		if _, err := w.draft(1, ops...); err == nil {
			t.Errorf("drafted %v", ops)
		}
	}
	if _, err := w.draft(4, w.set(2, Member)); code(err) != Forbidden {
		t.Error(err)
	}
	w.does(1, w.set(2, Member), w.set(3, Moderator), w.on(KindKick, 4))
	if w.Standing(w.id(3)) != Moderator || w.Standing(w.id(2)) != Member {
		t.Error("the batch does not count")
	}
}

func TestOccupants(t *testing.T) {
	t.Parallel()
	w := newTown(t, 4)
	w.does(0, w.set(1, Admin))
	w.says(2, 1, &Join{Nick: "Cleo"})
	w.says(2, 1, &Nick{"Klio"})
	here := func() (out []string) {
		for _, o := range w.Occupants() {
			out = append(out, o.Nick)
		}
		return out
	}
	if got := here(); !slices.Equal(got, []string{"Klio"}) {
		t.Error(got)
	}
	w.does(1, w.on(KindKick, 2))
	if got := here(); len(got) > 0 {
		t.Error(got)
	}
	w.says(2, 1, &Join{Nick: "Cleo"})
	// A ban of somebody whom the owner makes an admin at once does not touch her.
	ban, err := w.draft(1, w.set(2, Outcast))
	if err != nil {
		t.Fatal(err)
	}
	w.does(0, w.set(2, Admin))
	w.take(ban...)
	if got := here(); !slices.Equal(got, []string{"Cleo"}) {
		t.Error("a futile ban put her out:", got)
	}
	w.does(0, w.set(2, Outcast))
	w.does(0, w.set(2, Owner))
	if got := here(); len(got) > 0 {
		t.Error("she has not come back:", got)
	}
	w.says(2, 1, nil)
	w.says(2, 1, &Leave{})
	if got := here(); len(got) > 0 {
		t.Error(got)
	}
}

func TestTopic(t *testing.T) {
	t.Parallel()
	w := newTown(t, 3)
	w.does(0, w.set(1, Moderator))
	w.says(1, 1, &Subject{"one"})
	two := w.says(1, 1, &Subject{"two"})
	if s, ok := w.Topic(); !ok || s.Text != "two" {
		t.Error(s)
	}
	w.does(0, Op{Kind: KindRetract, Target: w.id(1), Message: two.ID})
	if s, _ := w.Topic(); s.Text != "one" || w.status(two) != Retracted {
		t.Error(s, w.status(two))
	}
	if _, _, err := w.DraftMessage(event.LogKey{Author: w.id(2), Log: logOf(1)}, KindSubject); code(err) != Forbidden {
		t.Error(err)
	}
}

func TestEpochs(t *testing.T) {
	t.Parallel()
	w := newTown(t, 5, Password(1))
	w.does(0, w.set(1, Admin), w.set(2, Member))
	if e := w.Epochs(); len(e) != 1 || !e[0].Covers || e[0].ID != event.ID(w.ID()) || !w.Rotates() {
		t.Error(e)
	}
	w.does(1, w.set(2, Outcast))
	if e := w.Epochs(); e[0].Covers {
		t.Error("the first epoch covers a removal after it")
	}
	said := w.says(1, 1, &Epoch{EpochCommitment([32]byte{2})})
	covers := func() (out []event.ID) {
		for _, e := range w.Epochs() {
			if e.Covers {
				out = append(out, e.ID)
			}
		}
		return out
	}
	if got := covers(); !slices.Equal(got, []event.ID{said.ID}) {
		t.Error(got)
	}
	w.does(0, w.set(3, Outcast))
	if got := covers(); len(got) > 0 {
		t.Error(got)
	}
}

func TestAdmission(t *testing.T) {
	t.Parallel()
	w := newTown(t, 4, Password(1))
	w.does(0, w.set(3, Member))
	join := func(p, by int, room event.Conversation) {
		k := event.LogKey{Author: w.id(p), Log: logOf(1)}
		ctl := w.Cite(w.id(p))
		a, err := Admit(w.keys[by], room, k, 1, ctl)
		if err != nil {
			t.Fatal(err)
		}
		w.says(p, 1, &Join{Nick: "somebody", Admission: a})
	}
	join(1, 0, w.ID())
	join(2, 1, event.Conversation{1})
	if !w.Admitted(w.id(0)) || !w.Admitted(w.id(1)) || w.Admitted(w.id(2)) || w.Admitted(w.id(3)) {
		t.Error("admitted are those whom somebody admitted let in")
	}
	join(2, 1, w.ID())
	if !w.Admitted(w.id(2)) {
		t.Error("let in by somebody who was let in")
	}
	w.does(0, w.set(1, Outcast))
	if w.Admitted(w.id(1)) || w.Admitted(w.id(2)) {
		t.Error("the word of somebody banned")
	}
	w.does(0, w.set(1, None))
	if !w.Admitted(w.id(2)) {
		t.Error("the word of somebody who is banned no more")
	}
}

// A join below what is kept of its log counts, also if it did not before.
func TestAdmittedPruned(t *testing.T) {
	w := newTown(t, 2, Password(1))
	a, err := Admit(w.keys[0], w.ID(), event.LogKey{Author: w.id(1), Log: logOf(1)}, 1, w.Cite(w.id(1)))
	if err != nil {
		t.Fatal(err)
	}
	acts, err := w.draft(0, w.set(1, Outcast)) // its cut lacks the join
	if err != nil {
		t.Fatal(err)
	}
	w.says(1, 1, &Join{Nick: "somebody", Admission: a})
	w.AddControl(acts...)
	w.does(0, w.set(1, None))
	if w.Admitted(w.id(1)) {
		t.Error("by a join that is hidden")
	}
	w.Prune(event.LogKey{Author: w.id(1), Log: logOf(1)}, 2)
	if !w.Admitted(w.id(1)) {
		t.Error("it counts below what is kept")
	}
}

// Words that go round in a circle let nobody in; one from outside lets in all of them,
// whoever is asked about first.
func TestAdmittedCircle(t *testing.T) {
	for first := range 3 {
		w := newTown(t, 4, Password(1))
		join := func(p, by int) {
			a, err := Admit(w.keys[by], w.ID(), event.LogKey{Author: w.id(p), Log: logOf(1)}, 1, w.Cite(w.id(p)))
			if err != nil {
				t.Fatal(err)
			}
			w.says(p, 1, &Join{Nick: "somebody", Admission: a})
		}
		check := func(want bool) {
			t.Helper()
			for i := range 3 {
				if p := 1 + (first+i)%3; w.Admitted(w.id(p)) != want {
					t.Errorf("%d, asked as number %d: admitted is %t", p, i, !want)
				}
			}
		}
		for p := 1; p <= 3; p++ {
			join(p, p%3+1)
		}
		check(false)
		join(1+first, 0)
		check(true)
	}
}

// What a room says of itself, and in which order its events are to be served.
func TestConfig(t *testing.T) {
	t.Parallel()
	w := newTown(t, 2, Setting{Field: FieldName, Text: "Harbour"}, Setting{Field: FieldDescription, Text: "Boats"},
		Setting{Field: FieldLanguage, Text: "en"}, Setting{Field: FieldVisible}, Setting{Field: FieldPersistent},
		Setting{Field: FieldLogging, Number: 1}, Setting{Field: FieldHistory, Number: historySince, Amount: 1000})
	c := w.Config()
	if c.Name() != "Harbour" || c.Description() != "Boats" || c.Language() != "en" || c.Visible() || c.Persistent() || !c.Logging() || c.MinVersion() != 1 {
		t.Errorf("%+v", c)
	}
	for _, x := range []struct {
		set   Setting
		all   bool
		last  uint64
		since time.Duration
	}{
		{Setting{Field: FieldHistory}, true, 0, 0},
		{Setting{Field: FieldHistory, Number: historyNone}, false, 0, 0},
		{Setting{Field: FieldHistory, Number: historyLast, Amount: 5}, false, 5, 0},
		{Setting{Field: FieldHistory, Number: historySince, Amount: 2000}, false, 0, 2 * time.Second},
	} {
		w.does(0, Op{Kind: KindConfigure, Setting: x.set})
		c := w.Config()
		if all, last, since := c.History(); all != x.all || last != x.last || since != x.since {
			t.Error(all, last, since)
		}
	}
	w.does(0, w.on(KindVoice, 1))
	if w.Voice(w.id(1)) != Voiced {
		t.Error(w.Voice(w.id(1)))
	}
	want := []event.ID{event.ID(w.ID())}
	for _, e := range w.all {
		want = append(want, e.ID)
		if err := CheckBody(e); err != nil {
			t.Error(err)
		}
	}
	if got := w.AlongCtl(); !slices.Equal(got, want) {
		t.Error(got)
	}
}
