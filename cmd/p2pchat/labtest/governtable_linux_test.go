package labtest

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"p2pchat/node/api"
)

// roles are the columns of the table, from below.
var roles = []string{"visitor", "participant", "moderator", "admin", "owner"}

// right is a row of the table: what somebody does, and for each role whether it
// is allowed.
type right struct {
	what string
	may  string // an x for each role that may
	// does is the command: ROOM, WHO, FRIEND (somebody on the LAN), MINE and ID
	// (a message of the visitor's) are replaced.
	does string
	// WHO stands before where before says, and after where after says if it was
	// allowed; empty: it does not matter.
	before, after string
}

var table = []right{
	{what: "speak", may: ".xxxx", does: "send ROOM MINE"},
	{what: "change the subject", may: "..xxx", does: "room subject ROOM MINE"},
	{what: "invite", may: "..xxx", does: "room invite ROOM FRIEND"},
	{what: "kick", may: "..xxx", does: "room kick ROOM WHO"},
	{what: "give voice", may: "..xxx", does: "room voice ROOM WHO"},
	{what: "take voice", may: "..xxx", does: "room devoice ROOM WHO"},
	{what: "retract a message", may: "..xxx", does: "room retract ROOM ID"},
	{what: "make a member", may: "...xx", does: "room grant ROOM WHO member", before: "none", after: "member"},
	{what: "unmake a member", may: "...xx", does: "room grant ROOM WHO none", before: "member", after: "none"},
	{what: "make a moderator", may: "...xx", does: "room grant ROOM WHO moderator", before: "none", after: "moderator"},
	{what: "unmake a moderator", may: "...xx", does: "room grant ROOM WHO member", before: "moderator", after: "member"},
	{what: "ban", may: "...xx", does: "room ban ROOM WHO --reason spam", before: "none", after: "outcast"},
	{what: "ban by a grant", may: "...xx", does: "room grant ROOM WHO outcast", before: "member", after: "outcast"},
	{what: "unban", may: "...xx", does: "room unban ROOM WHO", before: "outcast", after: "none"},
	{what: "make an admin", may: "....x", does: "room grant ROOM WHO admin", before: "moderator", after: "admin"},
	{what: "unmake an admin", may: "....x", does: "room grant ROOM WHO none", before: "admin", after: "none"},
	{what: "make an owner", may: "....x", does: "room grant ROOM WHO owner", before: "none", after: "owner"},
	{what: "unmake an owner", may: "....x", does: "room grant ROOM WHO none", before: "owner", after: "none"},
	{what: "configure", may: "....x", does: "room config ROOM description=MINE"},
	// Of someone lower: equals are not, the creator never is.
	{what: "kick a moderator", may: "...xx", does: "room kick ROOM WHO", before: "moderator"},
	{what: "kick an admin", may: "....x", does: "room kick ROOM WHO", before: "admin"},
	{what: "silence a moderator", may: "...xx", does: "room devoice ROOM WHO", before: "moderator"},
	{what: "ban a moderator", may: "...xx", does: "room ban ROOM WHO", before: "moderator", after: "outcast"},
	{what: "ban an admin", may: "....x", does: "room ban ROOM WHO", before: "admin", after: "outcast"},
	{what: "ban an owner", may: "....x", does: "room ban ROOM WHO", before: "owner", after: "outcast"},
	{what: "kick the creator", may: ".....", does: "room kick ROOM CREATOR"},
	{what: "ban the creator", may: ".....", does: "room ban ROOM CREATOR"},
	{what: "unmake the creator", may: ".....", does: "room grant ROOM CREATOR admin"},
}

// What a configuration leaves to those below moderator.
var lax = []right{
	{what: "speak", may: ".xxxx", does: "send ROOM MINE"},
	{what: "change the subject, by participants", may: ".xxxx", does: "room subject ROOM MINE"},
	{what: "invite, by everyone", may: "xxxxx", does: "room invite ROOM FRIEND"},
}

// Every row of the table of who may do what is tried by everybody of five, with
// the real program: it is done, or refused with exit code 4 and a code, and in
// the end everybody has the same to show for it.
func TestPrivileges(t *testing.T) {
	t.Parallel()
	g := five(t)
	alice, bob, carol, dave, erin := g.all[0], g.all[1], g.all[2], g.all[3], g.all[4]
	columns := []*person{erin, dave, carol, bob, alice}
	said := erin.speaks(g.id, linesOf(erin, len(roles)), 0, "--wait", "0").end()
	g.hears(lineOf(erin, len(roles)-1))

	other := &gathering{t: t, l: g.l, all: g.all, id: object[entry](alice, "room", "create", "lax", "--moderated").RoomID}
	together(g.all[1:], func(p *person) { p.joins(other.id) })
	for _, room := range []*gathering{g, other} {
		room.grants(alice, bob.who.PeerID, "admin")
		room.grants(alice, carol.who.PeerID, "moderator")
	}
	// A member may speak, and so may who has voice.
	g.grants(alice, dave.who.PeerID, "member")
	other.acts(alice, api.GovernRequest{Act: api.ActVoice, Who: dave.who.PeerID})
	alice.config(g.id, "moderated=true", "invite_by=moderators")
	alice.config(other.id, "subject_by=participants", "invite_by=everyone")

	targets := make([][]string, len(roles)) // by column and row
	for i := range columns {
		for _, r := range table {
			who := nobody(t)
			if r.before != "" && r.before != api.StandingNone {
				g.grants(alice, who, r.before)
			}
			targets[i] = append(targets[i], who)
		}
	}
	for _, room := range []*gathering{g, other} {
		g.l.Within(3*time.Second, time.Now(), "all know the scene", room.inStep)
		for i, p := range columns {
			if got := object[entry](p, "room", "ping", room.id); got.Role != roles[i] {
				t.Fatalf("%s is %+v, wants to be %s", p.who.Name, got, roles[i])
			}
		}
	}

	try := func(g *gathering, r right, i int, who string) {
		p := columns[i]
		friend := columns[(i+1)%len(columns)]
		words := strings.Fields(r.does)
		for j, w := range words {
			words[j] = strings.NewReplacer("ROOM", g.id, "WHO", who, "FRIEND", friend.who.PeerID, "CREATOR", alice.who.PeerID,
				"MINE", mine(r, roles[i]), "ID", said[i].ID).Replace(w)
		}
		exit, code := p.refusal(words...)
		wantExit, wantCode := exitDone, ""
		if r.may[i] != 'x' {
			wantExit, wantCode = exitRefused, string(api.CodeForbidden)
		}
		if exit != wantExit || code != wantCode {
			t.Errorf("a %s is to %s: exit %d, code %q, want %d and %q", roles[i], r.what, exit, code, wantExit, wantCode)
		}
	}
	var wg sync.WaitGroup
	for i := range columns {
		wg.Go(func() { // all at the same time, each one row after another
			for j, r := range table {
				try(g, r, i, targets[i][j])
			}
			for _, r := range lax {
				try(other, r, i, "")
			}
		})
	}
	wg.Wait()

	for _, room := range []*gathering{g, other} {
		room.converges(3*time.Second, time.Now(), "after all acts")
	}
	people := g.standings(erin) // hears it all
	for j, r := range table {
		for i, role := range roles {
			want := r.before
			if r.may[i] == 'x' {
				want = r.after
			}
			got := api.StandingNone
			if s, ok := people[targets[i][j]]; ok {
				got = s.Standing
			}
			if r.after != "" && got != want {
				t.Errorf("after a %s was to %s somebody stands as %s, want %s", role, r.what, got, want)
			}
		}
	}
	heard := map[string]bool{}
	for _, room := range []*gathering{g, other} {
		for _, text := range texts(erin.roomLog(room.id)) {
			heard[text] = true
		}
	}
	for i, role := range roles {
		for _, r := range []right{table[0], lax[0]} {
			if text := mine(r, role); heard[text] != (r.may[i] == 'x') {
				t.Errorf("the visitor heard %q: %v", text, heard[text])
			}
		}
	}
	retracted, may := 0, table[slices.IndexFunc(table, func(r right) bool { return r.what == "retract a message" })].may
	for _, m := range lines[struct{ Retracted bool }](t, erin.run(exitDone, "log", g.id, "--json").Stdout) {
		if m.Retracted {
			retracted++
		}
	}
	if want := strings.Count(may, "x"); retracted != want {
		t.Errorf("%d messages are retracted, want %d", retracted, want)
	}

	// Last of all, from below.
	for i := range columns {
		try(g, right{what: "destroy", may: "....x", does: "room destroy ROOM"}, i, "")
	}
	g.l.Within(3*time.Second, time.Now(), "all are out", func(ctx context.Context) error {
		for _, p := range g.all {
			if err := p.joined(g.id, false)(ctx); err != nil {
				return err
			}
		}
		return nil
	})
	erin.fails(exitRefused, "destroyed", "room", "join", g.id)
}

// mine is what somebody of a role says, as one word.
func mine(r right, role string) string { return role + ":" + strings.ReplaceAll(r.what, " ", "-") }
