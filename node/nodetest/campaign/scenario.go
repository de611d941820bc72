package campaign

import (
	"fmt"
	"strings"
	"time"
)

// Doing is what happens in a step. Who and the other fields are a [Step]'s.
type Doing string

// What people do.
const (
	Say       Doing = "say"       // N lines, in the room or to With[0]
	Leave     Doing = "leave"     // the room
	Join      Doing = "join"      // it, again or for the first time
	Nick      Doing = "nick"      // another one
	Subject   Doing = "subject"   // of the room
	Govern    Doing = "govern"    // act What on With[0], to standing To
	Configure Doing = "configure" // What=To
	Retract   Doing = "retract"   // line N, counted around, of the room
	Password  Doing = "password"  // To is that of the room from now on; empty: none
)

// What is done to them.
const (
	Cut      Doing = "cut"      // those in With from the others
	Heal     Doing = "heal"     // the cut
	Loss     Doing = "loss"     // N per cent, everywhere
	Latency  Doing = "latency"  // For, and up to half of it more, everywhere
	Slow     Doing = "slow"     // Who's cable, the more the larger For; 0: as before
	Stop     Doing = "stop"     // cleanly
	Kill     Doing = "kill"     // with -9, while he says N lines
	Start    Doing = "start"    // on the data as it was left
	Clock    Doing = "clock"    // is wrong by For
	Snapshot Doing = "snapshot" // a copy is made of his data
	Restore  Doing = "restore"  // he stops, and the copy takes the data's place
	Attack   Doing = "attack"   // the hostile ones do What
)

// Hostile stands in With for the hostile one who is a member.
const Hostile = -1

// Attacks. Not every world has all of them.
const (
	Noise      = "noise"      // garbage and oversize frames on every protocol
	Replay     = "replay"     // of what was said, as it was, bent, and sealed anew
	Forge      = "forge"      // in others' names, with false signatures, out of place
	Equivocate = "equivocate" // branches, gaps, logs without end
	Usurp      = "usurp"      // acts the hostile member has no right to
	Strip      = "strip"      // what others said of its bodies, and pass that on
	Backdate   = "backdate"   // after she was banned: as if she had not heard of it
)

// Step is one thing that happens.
type Step struct {
	At   time.Duration // since the beginning
	Do   Doing
	Who  int   // which member
	With []int // whom else it is about
	N    int
	For  time.Duration
	What string
	To   string
}

func (s Step) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%6.1fs %s", s.At.Seconds(), s.Do)
	switch s.Do {
	case Heal, Attack, Loss, Latency, Cut:
	default:
		fmt.Fprintf(&b, " %s", name(s.Who))
	}
	for _, w := range s.With {
		fmt.Fprintf(&b, " %s", name(w))
	}
	if s.N != 0 {
		fmt.Fprintf(&b, " %d", s.N)
	}
	if s.For != 0 {
		fmt.Fprintf(&b, " %v", s.For)
	}
	for _, w := range []string{s.What, s.To} {
		if w != "" {
			fmt.Fprintf(&b, " %s", w)
		}
	}
	return b.String()
}

// fault tells whether the step is something done to people.
func (s Step) fault() bool {
	switch s.Do {
	case Say, Join, Leave, Nick, Subject, Govern, Configure, Retract, Password, Heal, Start:
		return false
	}
	return true
}

// name is what a member is called.
func name(i int) string {
	if i == Hostile {
		return "mallory"
	}
	return fmt.Sprintf("m%d", i)
}

// Scenario is what happens. Member 0 makes the room and never leaves it, the
// last comes late.
type Scenario struct {
	Seed    uint64
	Members int // the honest ones
	// Hostile: there is a hostile member, an admin until she is banned.
	Hostile bool
	// Governed: people act against each other, so that lines may be hidden.
	Governed bool
	History  string // of the room, for newcomers
	Hidden   bool   // the room is; who enters has its ID
	// Password of the room, which all know, as they do what it is changed to; empty: none.
	// Member 1 is an owner, too, where there is one.
	Password string
	Steps    []Step
}

// Faults counts the steps that are done to people.
func (s Scenario) Faults() (n int) {
	for _, x := range s.Steps {
		if x.fault() {
			n++
		}
	}
	return n
}

func (s Scenario) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "seed %d: %d members, history %s, hidden %t, password %t, governed %t, hostile %t\n",
		s.Seed, s.Members, s.History, s.Hidden, s.Password != "", s.Governed, s.Hostile)
	for i, x := range s.Steps {
		fmt.Fprintf(&b, "%4d %s\n", i, x)
	}
	return b.String()
}
