package transcript

import (
	"bufio"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html/template"
	"io"
	"strings"

	"github.com/libp2p/go-libp2p/core/peer"

	"p2pchat/protocol/event"
	"p2pchat/protocol/room"
)

const (
	stamp = "2006-01-02T15:04:05.000Z"
	title = "p2pchat transcript 1"
	more  = "  | "
	proof = "  ~ "
)

// line is an entry as an object of the jsonl form, and what the others show of it.
type line struct {
	ID        string `json:"id"`
	Time      string `json:"time"`
	Author    string `json:"author"` // peer ID
	Name      string `json:"name"`
	Log       string `json:"log"`
	Seq       uint64 `json:"seq"`
	Kind      string `json:"kind"` // text, action, edit, retraction, reaction, join, leave, nick, subject, govern, epoch, invite, missing, missing-edit or other
	Text      string `json:"text"` // with what was edited
	Retracted bool   `json:"retracted"`
	// Edited is when, "" if never; About is the ID of what an edit, a retraction or a
	// reaction is about, ReplyTo that of what a text answers, "" if nothing.
	Edited    string     `json:"edited"`
	About     string     `json:"about"`
	ReplyTo   string     `json:"reply_to"`
	Reactions []reaction `json:"reactions"`
	Event     string     `json:"event"` // protobuf Event, base64

	other string // what About or ReplyTo names, in words
}

type reaction struct {
	Text string   `json:"text"`
	By   []string `json:"by"` // peer IDs
}

// all gives the lines of the document.
func (d *Document) all() ([]line, error) {
	about := map[event.ID][]*event.Event{}
	at := map[string]string{}
	for _, e := range d.Events {
		at[e.ID.String()] = e.Time.Wall().Format(stamp)[11:19]
		if a, ok := e.Amendment(); ok {
			about[a.Target] = append(about[a.Target], e)
		}
	}
	out := make([]line, len(d.Events))
	gone := d.takenBack()
	for i, e := range d.Events {
		var err error
		if out[i], err = d.line(e, event.Amend(e, about[e.ID]), gone[text{e.ID, e.Author}]); err != nil {
			return nil, err
		}
		l := &out[i]
		if l.other = "a text that is not here"; at[l.About+l.ReplyTo] != "" { // one of them is empty
			l.other = "the text of " + at[l.About+l.ReplyTo]
		}
	}
	return out, nil
}

// line is what is shown of e, of which now came; gone: it was taken back.
func (d *Document) line(e *event.Event, now event.Amended, gone bool) (line, error) {
	raw, err := encode(e)
	if err != nil {
		return line{}, err
	}
	l := line{
		ID: e.ID.String(), Time: e.Time.Wall().Format(stamp), Author: e.Author.String(), Name: d.name(e.Author),
		Seq: e.Seq, Retracted: !e.HasBody() && gone || now.Retracted, Reactions: []reaction{}, Event: base64.StdEncoding.EncodeToString(raw),
	}
	if e.Lane == event.LaneMessage {
		l.Log = e.Log.String()
	}
	if l.Kind = "text"; l.Retracted {
		return l, nil
	}
	if !e.HasBody() {
		if l.Kind = "missing"; e.Kind == event.KindEdit {
			l.Kind = "missing-edit"
		}
		return l, nil
	}
	l.Kind, l.Text = d.says(e)
	if now.Edit != nil {
		l.Edited = now.Edit.Time.Wall().Format(stamp)
		l.Kind, l.Text = spoken(now.Text)
	}
	for _, r := range now.Reactions {
		by := make([]string, len(r.By))
		for i, p := range r.By {
			by[i] = p.String()
		}
		l.Reactions = append(l.Reactions, reaction{r.Text, by})
	}
	if a, ok := e.Amendment(); ok {
		l.About = a.Target.String()
		if a.Undo {
			l.Kind = "reaction-undone"
		}
	}
	if e.Kind == event.KindText {
		if _, to, err := event.DecodeReply(e.Body); err == nil && !to.IsZero() {
			l.ReplyTo = to.String()
		}
	}
	return l, nil
}

// spoken gives the kind of a text, and what it says.
func spoken(text string) (kind, said string) {
	if act, ok := strings.CutPrefix(text, "/me "); ok {
		return "action", act
	}
	return "text", text
}

// name is how somebody is called, the end of his peer ID if nobody says.
func (d *Document) name(p peer.ID) string {
	id := p.String()
	if n := d.Header.Names[id]; n != "" {
		return n
	}
	return "…" + id[max(0, len(id)-8):]
}

// says gives the kind of an event and what it says.
func (d *Document) says(e *event.Event) (kind, text string) {
	if e.Lane == event.LaneControl {
		return "govern", room.Describe(e, d.name)
	}
	if e.Kind == event.KindText {
		text, err := event.DecodeText(e.Body)
		if err != nil {
			return "other", ""
		}
		return spoken(text)
	}
	if a, ok := e.Amendment(); ok {
		return map[event.Kind]string{
			event.KindEdit: "edit", event.KindRetract: "retraction", event.KindReact: "reaction",
		}[e.Kind], a.Text
	}
	body, err := room.DecodeBody(e.Kind, e.Body)
	if err != nil {
		return "other", ""
	}
	switch b := body.(type) {
	case *room.Join:
		return "join", b.Nick
	case *room.Leave:
		return "leave", ""
	case *room.Nick:
		return "nick", b.Nick
	case *room.Subject:
		return "subject", b.Text
	case *room.Epoch:
		return "epoch", ""
	case *room.Private:
		return "text", b.Text
	case *room.Invitation:
		return "invite", strings.TrimSuffix(b.Name+": "+b.Reason, ": ")
	}
	return "other", ""
}

// sentence is what a line says to people.
func (l line) sentence() string {
	switch {
	case l.Retracted:
		return l.Name + ": [retracted]"
	case l.Kind == "missing":
		return l.Name + ": [what was said is not in this file]"
	case l.Kind == "missing-edit":
		return "* " + l.Name + " edited a text: [what was said is not in this file]"
	case l.Kind == "text":
		return l.Name + ": " + l.answer() + l.Text + l.since()
	case l.Kind == "action":
		return "* " + l.Name + " " + l.answer() + l.Text + l.since()
	case l.Kind == "edit":
		return "* " + l.Name + " edited " + l.other + ": " + l.Text
	case l.Kind == "retraction":
		return "* " + l.Name + " took back " + l.other
	case l.Kind == "reaction":
		return "* " + l.Name + " reacted to " + l.other + ": " + l.Text
	case l.Kind == "reaction-undone":
		return "* " + l.Name + " took away a reaction to " + l.other + ": " + l.Text
	case l.Kind == "join":
		return "* " + l.Name + " joined as " + l.Text
	case l.Kind == "leave":
		return "* " + l.Name + " left"
	case l.Kind == "nick":
		return "* " + l.Name + " is now called " + l.Text
	case l.Kind == "subject":
		return "* " + l.Name + " set the subject: " + l.Text
	case l.Kind == "govern":
		return "* " + l.Name + " " + l.Text
	case l.Kind == "epoch":
		return "* " + l.Name + " announced a new key"
	case l.Kind == "invite":
		return "* " + l.Name + " invited to a room: " + l.Text
	}
	return "* " + l.Name + " said something that this version does not know"
}

// answer says what a line answers.
func (l line) answer() string {
	if l.ReplyTo == "" {
		return ""
	}
	return "(to " + l.other + ") "
}

// since is what a line says of what became of it.
func (l line) since() string {
	var b strings.Builder
	if l.Edited != "" {
		b.WriteString(" (edited)")
	}
	for _, r := range l.Reactions {
		fmt.Fprintf(&b, " [%s %d]", r.Text, len(r.By))
	}
	return b.String()
}

// Render writes the document in a form.
func (d *Document) Render(w io.Writer, f Format) error {
	out := bufio.NewWriter(w)
	var err error
	switch f {
	case Text:
		err = d.text(out)
	case Lines:
		err = d.lines(out)
	case HTML:
		err = d.page(out)
	default:
		err = fmt.Errorf("the format %q is none of text, jsonl, html", f)
	}
	if err != nil {
		return err
	}
	return out.Flush()
}

func (d *Document) text(w io.Writer) error {
	head, err := marshal(d.Header)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintf(w, "%s\n%s\n\n", title, head); err != nil {
		return err
	}
	all, err := d.all()
	if err != nil {
		return err
	}
	for _, l := range all {
		said := strings.ReplaceAll(visible(l.sentence()), "\n", "\n"+more)
		if _, err := fmt.Fprintf(w, "%s %s\n%s%s\n", l.Time, said, proof, l.Event); err != nil {
			return err
		}
	}
	return nil
}

func (d *Document) lines(w io.Writer) error {
	head, err := marshal(d.Header)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintf(w, "%s\n", head); err != nil {
		return err
	}
	all, err := d.all()
	if err != nil {
		return err
	}
	for _, l := range all {
		b, err := marshal(l)
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintf(w, "%s\n", b); err != nil {
			return err
		}
	}
	return nil
}

//go:embed page.html
var pageSource string

var pageTemplate = template.Must(template.New("page").Parse(pageSource))

// page is the form for browsers. The document in it is one line of base64, in
// which nothing can end the element it stands in.
func (d *Document) page(w io.Writer) error {
	var doc strings.Builder
	if err := d.lines(&doc); err != nil {
		return err
	}
	type row struct{ Day, Clock, Class, Author, Said string }
	data := struct {
		Header        Header
		When, Logging string
		Rows          []row
		Doc           string
	}{Header: d.Header, When: d.Header.Exported.Format("2006-01-02 15:04 UTC"), Doc: base64.StdEncoding.EncodeToString([]byte(doc.String()))}
	if on := d.Header.Logging; on != nil && *on {
		data.Logging = "; the room was logged by its members"
	} else if on != nil {
		data.Logging = "; the room was not logged by its members"
	}
	all, err := d.all()
	if err != nil {
		return err
	}
	day := ""
	for _, l := range all {
		r := row{Clock: l.Time[11:19], Author: l.Author, Said: visible(l.sentence()), Class: "said"}
		if l.Kind != "text" || l.Retracted {
			r.Class = "note"
		}
		if l.Time[:10] != day {
			day = l.Time[:10]
			r.Day = day
		}
		data.Rows = append(data.Rows, r)
	}
	return pageTemplate.Execute(w, data)
}

// visible shows what would otherwise act on a terminal or turn the direction of
// text; lines stay.
func visible(s string) string {
	var b strings.Builder
	for _, r := range s {
		switch {
		case r == '\n' || r == '\t':
			b.WriteRune(r)
		case r < 0x20, r >= 0x7f && r < 0xa0, r >= 0x202a && r <= 0x202e, r >= 0x2066 && r <= 0x2069, r == 0x2028, r == 0x2029, r == 0x200e, r == 0x200f, r == 0x61c:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// marshal is JSON in which no control character stands as itself.
func marshal(v any) (string, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return "", err
	}
	var out strings.Builder
	for _, r := range string(b) {
		if r >= 0x7f && r < 0xa0 {
			fmt.Fprintf(&out, `\u%04x`, r)
			continue
		}
		out.WriteRune(r)
	}
	return out.String(), nil
}
