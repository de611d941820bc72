package cli

import (
	"cmp"
	"context"
	"strconv"
	"strings"
	"sync"
	"time"

	"p2pchat/cmd/p2pchat/internal/term"
	"p2pchat/node/api"
)

// transcript prints messages for people: a line with the date where the day
// changes, then time, name and text. Lines of a text after the first are
// indented under a bar, so that no text looks like a message of its own.
type transcript struct {
	app  *app
	day  string
	zone *time.Location
	ids  bool                     // put the beginning of its ID before each message
	said map[string]string        // by whom and what, of messages seen, for those that answer them
	mark func(text string) string // shows what was searched for, nil if nothing was
	// answered gives a message of a conversation that was not printed.
	answered func(target, id string) (api.Message, bool)
	target   string                 // the conversation; that of a message with a place is its own
	room     func(id string) string // what a room is called
}

// newTranscript prints messages of target, "" for any, that r knows.
func (a *app) newTranscript(ctx context.Context, r api.Reader, target string) *transcript {
	known := sync.OnceValue(func() map[string]string {
		names := map[string]string{}
		rooms, _ := r.Rooms(ctx, true) // else they are told by their IDs
		for _, r := range rooms {
			names[r.RoomID] = "#" + term.Clean(r.Name)
		}
		return names
	})
	room := func(id string) string {
		if id == "" {
			return "a room"
		}
		return cmp.Or(known()[id], "the room "+short(id))
	}
	return &transcript{app: a, zone: time.Local, target: target, room: room, answered: func(target, id string) (api.Message, bool) {
		// The message before the one after it; something comes after what is answered.
		next, err := r.Log(ctx, api.LogQuery{Target: target, After: id, Last: 1})
		if err != nil || len(next) == 0 {
			return api.Message{}, false
		}
		at, err := r.Log(ctx, api.LogQuery{Target: target, Before: next[0].ID, Last: 1})
		if err != nil || len(at) == 0 || at[0].ID != id {
			return api.Message{}, false
		}
		return at[0], true
	}}
}

const continuation = "\n         | "

func (t *transcript) print(m api.Message) error {
	if t.app.asJSON {
		return t.app.object(m)
	}
	style := t.app.style()
	when := m.Time.In(t.zone)
	if day := when.Format("Monday 2 January 2006"); day != t.day {
		t.day = day
		if err := t.app.printf("%s\n", style.Faint("--- "+day+" ---")); err != nil {
			return err
		}
	}
	name := authorOf(m)
	text := term.CleanText(m.Text)
	if t.mark != nil {
		text = t.mark(text)
	}
	text = strings.ReplaceAll(text, "\n", continuation)
	text = strings.ReplaceAll(text, "| \n", "|\n")
	line := style.Bold(name+":") + " " + text
	switch m.Kind {
	case api.MessageText:
	case api.MessagePrivate:
		line = style.Bold(name) + style.Faint(" (private): ") + text
	case api.MessageInvite:
		line = style.Faint("--- "+name+" sent an invitation into the room ") + text
	case api.MessageAnswer:
		line = style.Faint("--- "+name+" answered an invitation into "+t.room(m.Room)+": ") + text
	case api.MessageVoiceRequest:
		line = style.Faint("--- " + name + " asks for voice in " + t.room(m.Room))
	case api.MessageAction:
		line = "* " + style.Bold(name) + " " + text
	case api.MessageJoin:
		line = style.Faint("--> " + name + " joined")
	case api.MessageLeave:
		line = style.Faint("<-- " + name + " left")
	case api.MessageNick:
		line = style.Faint("--- " + nameOf(m.Name, m.Author) + " is called " + nick(m.Text) + " here now")
	case api.MessageSubject:
		line = style.Faint("--- "+name+" set the subject: ") + text
	case api.MessageEpoch:
		line = style.Faint("--- " + name + " announced a new key")
	case api.MessageEdit:
		line = style.Faint("--- "+name+" edited "+short(m.About)+": ") + text
		if m.About == "" {
			line = style.Faint("--- " + name + " edited what was taken back since")
		}
	case api.MessageRetraction:
		line = style.Faint("--- " + name + " took back " + short(m.About))
	case api.MessageReaction:
		line = style.Faint("--- "+name+" reacted to "+short(m.About)+": ") + term.Clean(m.Text)
	case api.MessageUnreaction:
		line = style.Faint("--- "+name+" took away a reaction to "+short(m.About)+": ") + term.Clean(m.Text)
	case api.MessageGovern:
		line = style.Faint("--- " + name + ": " + text)
	default:
		line = style.Bold(name+":") + " " + style.Faint("(needs a newer p2pchat to be shown)")
	}
	if m.Retracted && api.Listed(m.Kind) {
		line = style.Bold(name+":") + " " + style.Faint("[retracted]")
	}
	at := t.stamp(m, when)
	if m.Place != nil {
		at += " " + placed(*m.Place)
	}
	return t.app.printf("%s %s%s\n", style.Faint(at), line, style.Faint(remarks(m, t.answers(m))))
}

func (t *transcript) stamp(m api.Message, when time.Time) string {
	clock := when.Format("15:04:05")
	if t.ids {
		return short(m.ID) + " " + clock
	}
	return clock
}

const (
	// quoted is how much of a message is shown of it beside one that answers it, in
	// bytes.
	quoted = 40
	// remembered is how many messages are for that.
	remembered = 10_000
)

// answers says which message m answers, and remembers m for those that answer it.
func (t *transcript) answers(m api.Message) (quote string) {
	if m.ReplyTo != "" {
		quote = t.said[m.ReplyTo]
		if quote == "" {
			target := t.target
			if m.Place != nil {
				target = m.Place.Target
			}
			if to, ok := t.answered(target, m.ReplyTo); ok {
				quote = t.remember(to)
			}
		}
		if quote == "" {
			quote = "message " + short(m.ReplyTo)
		}
	}
	t.remember(m)
	return quote
}

// remember returns by whom and what m is, "" if it is nothing that can be answered.
func (t *transcript) remember(m api.Message) string {
	if !api.Listed(m.Kind) {
		return ""
	}
	text := term.Clean(m.Text)
	if cut := strings.ToValidUTF8(text[:min(quoted, len(text))], ""); cut != text {
		text = cut + "…"
	}
	if m.Retracted {
		text = "[retracted]"
	}
	if t.said == nil || len(t.said) >= remembered {
		t.said = map[string]string{}
	}
	t.said[m.ID] = authorOf(m) + ": " + text
	return t.said[m.ID]
}

// short is the beginning of an ID, which is enough to name it.
func short(id string) string { return term.Clean(id[:min(api.MinID, len(id))]) }

// authorOf is what people call the author: in a room by the nick, and of one
// who is verified also by the name, if that is another.
func authorOf(m api.Message) string {
	name := nameOf(m.Name, m.Author)
	if m.Nick == "" || m.Nick == m.Name {
		if m.Verified {
			name += " (verified)"
		}
		return name
	}
	if m.Verified {
		return nick(m.Nick) + " (verified " + name + ")"
	}
	return nick(m.Nick)
}

// nick is a nick as people see it. Other than names it may hold spaces and
// brackets: those are quoted, so that none reads like one with a remark.
func nick(s string) string {
	s = term.Clean(s)
	if strings.ContainsAny(s, " ()[]:\"") {
		return strconv.Quote(s)
	}
	return s
}

// remarks says what stands out: what it answers, what became of it, the delivery
// state of our own message, a clock that is off, an author who signed two different
// messages in one place.
func remarks(m api.Message, answers string) string {
	var all []string
	if answers != "" {
		all = append(all, "to "+answers)
	}
	if m.State != api.Received && m.State != "" && api.Listed(m.Kind) && !m.Retracted {
		all = append(all, term.Clean(m.State))
	}
	if !m.Edited.IsZero() {
		all = append(all, "edited")
	}
	for _, r := range m.Reactions {
		all = append(all, term.Clean(r.Text)+" "+strconv.Itoa(len(r.By)))
	}
	if m.Skewed {
		all = append(all, "clock off")
	}
	if m.Forked {
		all = append(all, "forked: its author signed another message in the same place")
	}
	if len(all) == 0 {
		return ""
	}
	return "  [" + strings.Join(all, ", ") + "]"
}
