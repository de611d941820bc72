package campaign

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"p2pchat/node/api"
)

// Unwanted begins the text of what must never be shown.
const Unwanted = "forged"

// view is what a member is left with.
type view struct {
	name  string
	state string
	room  []api.Message
	lines []string // of the room, as they are compared
	nicks []string // of these lines, and of all members, and whether a log has a hole
	disk  map[string]Kept
}

// judge looks at everybody. The error is of looking.
func (r *run) judge(ctx context.Context, v *Verdict) error {
	all := make([]view, r.Scenario.Members)
	for i := range all {
		var err error
		if all[i], err = r.look(ctx, i, v); err != nil {
			return fmt.Errorf("look at %s: %w", name(i), err)
		}
	}
	last := len(all) - 1
	limited := r.Scenario.History != "all"
	for i, x := range all[1:] {
		want, state := all[0].lines, all[0].state
		if limited && i+1 == last {
			want = common(want, x.lines)
		} else if d := diff(all[0].nicks, x.nicks); d != "" {
			v.Diverged = append(v.Diverged, fmt.Sprintf("who is who for %s and %s:\n%s", all[0].name, x.name, d))
		}
		if d := diff(strings.Split(state, "\n"), strings.Split(x.state, "\n")); d != "" {
			v.Diverged = append(v.Diverged, fmt.Sprintf("the states of %s and %s:\n%s", all[0].name, x.name, d))
		}
		if d := diff(want, x.lines); d != "" {
			v.Diverged = append(v.Diverged, fmt.Sprintf("the logs of %s and %s:\n%s", all[0].name, x.name, d))
		}
	}
	r.judgeLines(all, v)
	return r.judgeDirect(ctx, v)
}

// look gathers what a member is left with, and judges what needs nobody else.
func (r *run) look(ctx context.Context, i int, v *Verdict) (view, error) {
	x := view{name: name(i)}
	svc, err := r.World.Service(ctx, i)
	if err != nil {
		return x, err
	}
	s, err := svc.RoomState(ctx, r.room)
	if err != nil {
		return x, err
	}
	x.state = s.Canonical
	if x.room, err = svc.Log(ctx, api.LogQuery{Target: r.room, All: true}); err != nil {
		return x, err
	}
	for _, m := range x.room {
		if m.Kind != api.MessageGovern { // acts that came to nothing need not be everywhere; the state tells what did
			x.lines, x.nicks = append(x.lines, row(m)), append(x.nicks, m.ID+" by "+m.Nick)
		}
	}
	members, err := svc.Members(ctx, r.room)
	if err != nil {
		return x, err
	}
	for _, m := range members {
		x.nicks = append(x.nicks, fmt.Sprintf("member %s is %s, %s, %s", m.PeerID, m.Nick, m.Standing, m.Role))
	}
	slices.Sort(x.nicks)
	r.judgeShown(x.name, x.room, v)
	status, err := svc.RoomStatus(ctx, r.room)
	if err != nil {
		return x, err
	}
	// What was said after one's data had been copied, and was nowhere else when the
	// copy was put back, is a hole that everybody has to have.
	x.nicks = append(x.nicks, fmt.Sprintf("something is missing: %t", status.Missing))
	acts, err := svc.Audit(ctx, r.room)
	if err != nil {
		return x, err
	}
	for _, a := range acts {
		if a.Effective && slices.Contains(r.World.Usurped(), a.ID) {
			v.Forged = append(v.Forged, fmt.Sprintf("for %s it counts that %s %s (%s)", x.name, a.PeerID, a.Did, a.Why))
		}
	}
	if x.disk, err = Disk(ctx, r.World.Dir(i)); err != nil {
		return x, err
	}
	for id, k := range x.disk {
		if k.Copies > 1 {
			v.Duplicated = append(v.Duplicated, fmt.Sprintf("%s keeps event %s %d times", x.name, id, k.Copies))
		}
	}
	return x, nil
}

func row(m api.Message) string {
	return fmt.Sprintf("%s %s %s/%d %s %q", m.ID, m.Author, m.Log, m.Seq, m.Kind, m.Text)
}

// judgeShown looks for what is shown twice, and what nobody said.
func (r *run) judgeShown(who string, shown []api.Message, v *Verdict) {
	honest := map[string]int{}
	for i := range r.Scenario.Members {
		honest[r.World.ID(i)] = i
	}
	said := map[string]*line{}
	for _, l := range r.lines {
		said[l.text] = l
	}
	seen := map[string]bool{}
	for _, m := range shown {
		if seen[m.ID] {
			v.Duplicated = append(v.Duplicated, fmt.Sprintf("%s shows twice %s", who, row(m)))
		}
		seen[m.ID] = true
		if m.Kind != api.MessageText || m.Retracted {
			continue
		}
		by, known := honest[m.Author]
		l := said[m.Text]
		switch {
		case strings.Contains(m.Text, Unwanted):
			v.Forged = append(v.Forged, fmt.Sprintf("%s shows %s", who, row(m)))
		case known && (l == nil || l.by != by || l.id != "" && l.id != m.ID):
			v.Forged = append(v.Forged, fmt.Sprintf("%s shows what %s never said: %s", who, name(by), row(m)))
		}
	}
}

// judgeLines looks for every acknowledged line.
func (r *run) judgeLines(all []view, v *Verdict) {
	shown := make([]map[string]bool, len(all))
	for i, x := range all {
		shown[i] = map[string]bool{}
		for _, m := range x.room {
			shown[i][m.ID] = !m.Retracted // by its author, which nobody does; or its body is missing
		}
	}
	last := len(all) - 1
	for _, l := range r.lines {
		if l.id == "" || l.mayLose {
			continue
		}
		for i, x := range all {
			if l.to != inRoom && i != l.by && i != l.to {
				continue
			}
			// Who came late gets what was said since, but for what somebody whose
			// older data was put back said once more in places that lie before it.
			if r.Scenario.History != "all" && i == last && l.to == inRoom && (!l.whenLate || all[0].disk[l.id].Forked) {
				continue
			}
			k := x.disk[l.id]
			switch {
			case k.Copies == 0:
				v.Lost = append(v.Lost, fmt.Sprintf("%s does not have %q, %s", x.name, l.text, l.id))
			case l.to != inRoom:
			case k.Verdict != all[0].disk[l.id].Verdict:
				v.Diverged = append(v.Diverged, fmt.Sprintf("for %s %q is %d, for %s %d", x.name, l.text, k.Verdict, all[0].name, all[0].disk[l.id].Verdict))
			case k.Verdict != visible && !r.mayHide(l):
				v.Lost = append(v.Lost, fmt.Sprintf("for %s %q is hidden (%d) though nothing was done to its author", x.name, l.text, k.Verdict))
			case k.Verdict == visible && !shown[i][l.id]:
				v.Lost = append(v.Lost, fmt.Sprintf("%s does not show %q, %s", x.name, l.text, l.id))
			}
		}
	}
}

// judgeDirect compares what each two say to each other.
func (r *run) judgeDirect(ctx context.Context, v *Verdict) error {
	shown := func(i, j int) (rows []string, err error) {
		svc, err := r.World.Service(ctx, i)
		if err != nil {
			return nil, err
		}
		ms, err := svc.Log(ctx, api.LogQuery{Target: r.World.ID(j), All: true})
		if api.IsCode(err, api.CodeNotFound) {
			return nil, nil // they never said anything, nor met
		}
		r.judgeShown(name(i), ms, v)
		for _, m := range ms {
			rows = append(rows, row(m))
		}
		return rows, err
	}
	for i := range r.Scenario.Members {
		for j := range i {
			a, err := shown(i, j)
			if err != nil {
				return err
			}
			b, err := shown(j, i)
			if err != nil {
				return err
			}
			if d := diff(a, b); d != "" {
				v.Diverged = append(v.Diverged, fmt.Sprintf("what %s and %s said to each other:\n%s", name(i), name(j), d))
			}
			for _, l := range r.lines {
				if l.id == "" || l.mayLose || !(l.by == i && l.to == j || l.by == j && l.to == i) {
					continue
				}
				if !slices.ContainsFunc(a, func(row string) bool { return strings.HasPrefix(row, l.id) }) {
					v.Lost = append(v.Lost, fmt.Sprintf("%s does not show %q, %s", name(i), l.text, l.id))
				}
			}
		}
	}
	return nil
}

// common is what of all is in some, too.
func common(all, some []string) (out []string) {
	in := map[string]bool{}
	for _, s := range some {
		in[s] = true
	}
	for _, s := range all {
		if in[s] {
			out = append(out, s)
		}
	}
	return out
}

// diff lists the first lines that only one has, or where order differs; "" if
// nothing does.
func diff(a, b []string) string {
	if slices.Equal(a, b) {
		return ""
	}
	const most = 5
	var out []string
	add := func(sign string, of, other []string) {
		in := map[string]bool{}
		for _, s := range other {
			in[s] = true
		}
		n := 0
		for _, s := range of {
			if !in[s] && n < most {
				out = append(out, sign+" "+s)
				n++
			}
		}
	}
	add("-", a, b)
	add("+", b, a)
	if len(out) == 0 {
		for i := range min(len(a), len(b)) {
			if a[i] != b[i] {
				out = append(out, fmt.Sprintf("the order, at %d: %s and %s", i, a[i], b[i]))
				break
			}
		}
	}
	if len(out) == 0 {
		out = append(out, fmt.Sprintf("%d and %d lines", len(a), len(b)))
	}
	return strings.Join(out, "\n")
}
