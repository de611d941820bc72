package campaign

import (
	"fmt"
	"math/rand/v2"
	"time"

	"p2pchat/node/api"
)

// Size bounds what a world can bear. All fields but Hostile and Clocks are
// needed.
type Size struct {
	// Least and Most honest members.
	Least, Most int
	Steps       int
	Pause       time.Duration // at most, between steps
	MaxLoss     int           // per cent
	MaxLatency  time.Duration // 0: none can be had
	MaxSlow     time.Duration
	Hostile     bool // there can be a hostile member
	Clocks      bool // clocks can be wrong
	Attacks     []string
}

// Generate makes the scenario of a seed.
func Generate(seed uint64, size Size) Scenario {
	g := &generator{
		Scenario: Scenario{Seed: seed, Governed: seed%2 == 0, Hostile: size.Hostile, History: "all"},
		size:     size, random: rand.New(rand.NewPCG(seed, 2)), copied: -1, wrong: map[int]bool{},
	}
	g.Members = size.Least + g.random.IntN(size.Most-size.Least+1)
	if g.random.IntN(5) == 0 {
		g.History = fmt.Sprint(1 + g.random.IntN(20))
	}
	// Drawn apart, so that a seed has the steps it had before there were doors.
	door := rand.New(rand.NewPCG(seed, 3))
	switch door.IntN(4) {
	case 0:
		g.Hidden = true
	case 1:
		g.Password = "open sesame"
	}
	g.up = make([]bool, g.Members)
	g.in = make([]bool, g.Members)
	for i := range g.up {
		g.up[i], g.in[i] = true, i < g.Members-1
	}
	for i := range size.Steps {
		g.now += g.upTo(size.Pause)
		switch i {
		case size.Steps / 3:
			g.in[g.Members-1] = true
			g.add(Step{Do: Join, Who: g.Members - 1})
		case size.Steps / 2:
			g.ban()
		case size.Steps * 2 / 3, size.Steps * 5 / 6:
			g.attack(Backdate)
		default:
			g.step()
		}
		if g.Password != "" && door.IntN(12) == 0 {
			g.relock(door)
		}
	}
	return g.Scenario
}

// generator knows what was done so far, so that what comes next makes sense.
type generator struct {
	Scenario
	size   Size
	random *rand.Rand
	now    time.Duration
	up, in []bool
	wrong  map[int]bool // whose clocks are
	copied int          // whose data was copied, -1: nobody's
	undone bool         // it was put back
	cut    bool         // there may be a cut
	banned bool         // the hostile member is
}

func (g *generator) add(s Step) {
	s.At = g.now
	g.Steps = append(g.Steps, s)
}

func (g *generator) upTo(d time.Duration) time.Duration {
	return time.Duration(g.random.Int64N(int64(d))).Truncate(time.Millisecond)
}

func pick[T any](g *generator, of ...T) T { return of[g.random.IntN(len(of))] }

// one of the members for whom ok holds, -1 if there is none.
func (g *generator) one(ok func(int) bool) int {
	var some []int
	for i := range g.Members {
		if ok(i) {
			some = append(some, i)
		}
	}
	if len(some) == 0 {
		return -1
	}
	return pick(g, some...)
}

func (g *generator) step() {
	switch g.random.IntN(24) {
	case 0:
		g.cut = true
		side := g.random.Perm(g.Members)[:1+g.random.IntN(g.Members-1)]
		g.add(Step{Do: Cut, With: side})
	case 1, 2:
		if g.cut {
			g.cut = false
			g.add(Step{Do: Heal})
		}
	case 3:
		g.add(Step{Do: Loss, N: g.random.IntN(g.size.MaxLoss)})
	case 4:
		if g.size.MaxLatency > 0 {
			g.add(Step{Do: Latency, For: time.Millisecond + g.upTo(g.size.MaxLatency)})
		}
	case 5:
		g.add(Step{Do: Slow, Who: g.random.IntN(g.Members), For: pick(g, 0, time.Millisecond+g.upTo(g.size.MaxSlow))})
	case 6:
		g.goDown(Step{Do: Stop})
	case 7, 8:
		g.goDown(Step{Do: Kill, N: g.random.IntN(8)})
	case 9, 10, 11:
		if i := g.one(func(i int) bool { return !g.up[i] }); i >= 0 {
			g.start(i)
		}
	case 12:
		if g.size.Clocks {
			const day = 24 * time.Hour
			i := g.random.IntN(g.Members)
			s := Step{Do: Clock, Who: i}
			if g.wrong[i] = !g.wrong[i]; g.wrong[i] {
				s.For = pick(g, day, -day)
			}
			g.add(s)
		}
	case 13:
		g.copy()
	case 14:
		g.comeAndGo()
	case 15, 16:
		if len(g.size.Attacks) > 0 {
			g.attack(pick(g, g.size.Attacks...))
		}
	case 17, 18, 19:
		if g.Governed {
			g.quarrel()
		} else {
			g.say()
		}
	default:
		g.say()
	}
}

func (g *generator) goDown(s Step) {
	if s.Who = g.one(func(i int) bool { return g.up[i] }); s.Who >= 0 {
		g.up[s.Who] = false
		g.add(s)
	}
}

func (g *generator) start(i int) {
	g.up[i] = true
	g.add(Step{Do: Start, Who: i})
}

// copy has somebody's data copied, and later put back: once in a scenario, so
// that nobody is asked for what he lost because another had lost it; and not so
// that the owner may forget a ban that others count on.
func (g *generator) copy() {
	switch {
	case g.copied < 0:
		if i := g.one(func(i int) bool { return g.up[i] && g.in[i] }); i >= 0 {
			g.copied = i
			g.add(Step{Do: Snapshot, Who: i})
		}
	case !g.undone && !(g.copied == 0 && g.banned):
		g.undone, g.up[g.copied] = true, false
		g.add(Step{Do: Restore, Who: g.copied})
	}
}

func (g *generator) comeAndGo() {
	switch i := g.one(func(i int) bool { return i > 0 && g.up[i] }); {
	case i < 0:
	case g.in[i] && g.random.IntN(2) == 0:
		g.in[i] = false
		g.add(Step{Do: Leave, Who: i})
	case g.in[i]:
		g.add(Step{Do: Nick, Who: i, To: fmt.Sprintf("%s-%d", name(i), len(g.Steps))})
	case i < g.Members-1 || len(g.Steps) > g.size.Steps/3:
		g.in[i] = true
		g.add(Step{Do: Join, Who: i})
	}
}

func (g *generator) say() {
	i := g.one(func(i int) bool { return g.up[i] })
	if i < 0 {
		return
	}
	s := Step{Do: Say, Who: i, N: 1 + g.random.IntN(pick(g, 2, 6, 20))}
	if j := g.random.IntN(g.Members); j != i && (g.random.IntN(3) == 0 || !g.in[i]) {
		s.With = []int{j}
	}
	if len(s.With) > 0 || g.in[i] {
		g.add(s)
	}
}

// quarrel has somebody act on somebody, with or without the right to. Member 0,
// the owner, is left alone.
func (g *generator) quarrel() {
	by := g.one(func(i int) bool { return g.up[i] && g.in[i] })
	if by < 0 {
		return
	}
	whom := []int{1 + g.random.IntN(g.Members-1)}
	switch g.random.IntN(9) {
	case 0:
		g.add(Step{Do: Configure, Who: by, What: "moderated", To: pick(g, "true", "false")})
	case 1:
		g.add(Step{Do: Configure, Who: by, What: "access", To: pick(g, api.AccessOpen, api.AccessMembersOnly)})
	case 2:
		g.add(Step{Do: Subject, Who: by, To: fmt.Sprintf("%s at %v", name(by), g.now)})
	case 3, 4:
		g.add(Step{Do: Govern, Who: by, With: whom, What: api.ActGrant, To: pick(g,
			api.StandingNone, api.StandingMember, api.StandingModerator, api.StandingAdmin)})
	case 5:
		g.add(Step{Do: Retract, Who: by, N: g.random.IntN(1000)})
	default:
		g.add(Step{Do: Govern, Who: by, With: whom, What: pick(g, api.ActKick, api.ActBan, api.ActUnban, api.ActVoice, api.ActDevoice)})
	}
}

// relock has an owner change the password, or take it away.
func (g *generator) relock(door *rand.Rand) {
	s := Step{Do: Password, Who: door.IntN(2)}
	if door.IntN(5) > 0 {
		s.To = fmt.Sprintf("%s %d", g.Password, len(g.Steps))
	}
	if g.up[s.Who] && g.in[s.Who] {
		g.add(s)
	}
}

// ban puts the hostile member out.
func (g *generator) ban() {
	if !g.Hostile {
		return
	}
	if !g.up[0] {
		g.start(0)
	}
	g.banned = true
	g.add(Step{Do: Govern, Who: 0, With: []int{Hostile}, What: api.ActBan})
}

func (g *generator) attack(what string) {
	switch {
	case !g.Hostile && what == Backdate:
	case g.banned && (what == Usurp || what == Equivocate):
		g.add(Step{Do: Attack, What: Backdate})
	default:
		g.add(Step{Do: Attack, What: what})
	}
}
