package tui

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/text/unicode/norm"

	"p2pchat/node/api"
)

// talk is one conversation: a row of the left pane, the messages, and what is
// being typed into it.
type talk struct {
	key    string // peer ID of the person; conversation ID of a room
	kind   string // api.KindDirect or api.KindRoom
	target string // what the service is asked for: the key, never changed since calls read it
	name   string // clean
	conv   string // conversation ID, "" until the service told
	twin   bool   // another row has the same name

	peer   api.Peer // clean; State is offline when not in the roster
	listed bool     // in the roster

	room *room // nil for a person

	unread            int
	named             int       // of these, messages that name us
	entered           int       // unread messages when it was shown, until they are loaded
	last              time.Time // of the newest message
	fetched, fetching int       // messages of the past, as api.Conversation has them
	typing            time.Time // the other side's typing notice is stale from then on

	log   transcript
	draft draft
	about *about // what the draft is about, nil for nothing
}

// label is the name as shown: with the start of the fingerprint, or of the
// room's ID, when the name alone does not say which it is.
func (t *talk) label() string {
	if t.room != nil {
		return roomLabel(t.name, t.key, t.twin)
	}
	if t.twin {
		return t.name + "~" + shortPrint(t.peer)
	}
	return t.name
}

// look is the same for names that are written alike: letter case, blanks at the ends, and
// forms of a character that differ in width only do not tell two rows apart.
func look(name string) string {
	return strings.ToLower(strings.Join(strings.Fields(norm.NFKC.String(name)), " "))
}

// shortPrint is the first group of a fingerprint, or the end of the peer ID
// when there is none.
func shortPrint(p api.Peer) string {
	if f := strings.FieldsFunc(p.Fingerprint, func(r rune) bool { return r == ' ' || r == '-' }); len(f) > 0 {
		return f[0]
	}
	return p.PeerID[max(0, len(p.PeerID)-4):]
}

func (t *talk) online() bool { return t.peer.State == api.Online }

// people are all conversations in the order of the left pane: rooms, then who
// is online, then the others, each by name.
type people struct {
	rows   []*talk
	byKey  map[string]*talk
	byConv map[string]*talk
	focus  *talk // nil when there is nobody yet
	top    int   // first row shown

	previous *talk // focused before, nil if it is gone
}

func newPeople() people {
	return people{byKey: map[string]*talk{}, byConv: map[string]*talk{}}
}

func (p *people) add(key, kind string) *talk {
	t := p.byKey[key]
	if t == nil {
		t = newTalk(key, kind)
		p.byKey[key] = t
		p.rows = append(p.rows, t)
	}
	return t
}

func newTalk(key, kind string) *talk {
	t := &talk{key: key, kind: kind, target: key, name: clean(key)}
	t.peer = api.Peer{PeerID: clean(key), State: api.Offline}
	t.log.init()
	if kind == api.KindRoom {
		t.room, t.log.room = &room{}, true
	}
	return t
}

// setPeer takes a row of the roster.
func (p *people) setPeer(peer api.Peer) {
	t := p.add(peer.PeerID, api.KindDirect)
	t.peer, t.listed = cleanPeer(peer), true
	if t.peer.Name != "" {
		t.name = t.peer.Name
	}
}

func cleanPeer(p api.Peer) api.Peer {
	p.Name, p.Fingerprint, p.PeerID = clean(p.Name), clean(p.Fingerprint), clean(p.PeerID)
	p.Status, p.Warning, p.Via = clean(p.Status), clean(p.Warning), clean(p.Via)
	p.Addrs = slices.Clone(p.Addrs)
	for i, a := range p.Addrs {
		p.Addrs[i] = clean(a)
	}
	if p.Transport != nil {
		s := clean(*p.Transport)
		p.Transport = &s
	}
	return p
}

// setConversation takes a row of the service's list. Which rooms there are,
// their own rows say.
func (p *people) setConversation(c api.Conversation) {
	if c.Kind == api.KindRoom && p.byConv[c.ID] == nil {
		return
	}
	key := c.PeerID
	if c.Kind != api.KindDirect || key == "" {
		key = c.ID
	}
	t := p.add(key, c.Kind)
	t.conv, t.unread, t.named = c.ID, c.Unread, c.Mentions
	t.fetched, t.fetching = c.Fetched, c.Fetching
	if c.LastTime.After(t.last) {
		t.last = c.LastTime.Time
	}
	p.byConv[c.ID] = t
	if !t.listed && c.Name != "" {
		t.name = clean(c.Name)
	}
}

// remove takes a peer off the roster; what was said with it stays.
func (p *people) remove(peerID string) {
	t := p.byKey[peerID]
	if t == nil {
		return
	}
	t.listed = false
	t.peer.State, t.peer.Away, t.peer.Status, t.peer.RTT = api.Offline, false, "", nil
	if len(t.log.lines) > 0 || t.unread > 0 || t == p.focus {
		return
	}
	p.forget(t)
}

func (p *people) forget(t *talk) {
	p.rows = slices.DeleteFunc(p.rows, func(r *talk) bool { return r == t })
	delete(p.byKey, t.key)
	delete(p.byConv, t.conv)
	if p.previous == t {
		p.previous = nil
	}
}

// sort puts the rows in order and finds those whose names are not unique.
func (p *people) sort() {
	rank := func(t *talk) int {
		switch {
		case t.kind == api.KindRoom:
			return 0
		case t.online():
			return 1
		}
		return 2
	}
	slices.SortStableFunc(p.rows, func(a, b *talk) int {
		return cmp.Or(rank(a)-rank(b),
			strings.Compare(strings.ToLower(a.name), strings.ToLower(b.name)), strings.Compare(a.key, b.key))
	})
	count := map[string]int{}
	for _, t := range p.rows {
		count[t.kind+look(t.name)]++
	}
	for _, t := range p.rows {
		t.twin = count[t.kind+look(t.name)] > 1
	}
}

func (p *people) index(t *talk) int { return slices.Index(p.rows, t) }

// step returns the conversation n rows below the focus, going around.
func (p *people) step(n int) *talk {
	if len(p.rows) == 0 {
		return nil
	}
	i := p.index(p.focus)
	if i < 0 {
		return p.rows[0]
	}
	return p.rows[((i+n)%len(p.rows)+len(p.rows))%len(p.rows)]
}

// nextUnread returns the next conversation with unread messages, nil if none.
func (p *people) nextUnread() *talk {
	i := p.index(p.focus)
	for n := 1; n <= len(p.rows); n++ {
		if t := p.rows[(i+n+len(p.rows))%len(p.rows)]; t.unread > 0 && t != p.focus {
			return t
		}
	}
	return nil
}

// find resolves what a person typed: a name as shown, "@name", "user:name", a
// peer ID or "#room". Errors: not-found, ambiguous.
func (p *people) find(who string) (*talk, error) {
	name := strings.TrimPrefix(strings.TrimPrefix(who, "user:"), "@")
	if t := p.byKey[name]; t != nil {
		return t, nil
	}
	for _, same := range []func(a, b string) bool{func(a, b string) bool { return a == b }, strings.EqualFold} {
		var found []*talk
		for _, t := range p.rows {
			if same(t.label(), name) {
				return t, nil
			}
			if t.room == nil && same(t.name, name) {
				found = append(found, t)
			}
		}
		switch len(found) {
		case 0:
		case 1:
			return found[0], nil
		default:
			var labels []string
			for _, t := range found {
				labels = append(labels, t.label())
			}
			return nil, api.Errorf(api.CodeAmbiguous, "%d people are called %s: %s",
				len(found), clean(name), strings.Join(labels, ", "))
		}
	}
	return nil, api.Errorf(api.CodeNotFound, "nobody called %q is known; /peers lists who is", clean(name))
}

// split takes the name off the front of what was typed after /msg: names may
// hold spaces, so the longest name that fits wins.
func (p *people) split(arg string) (t *talk, rest string, err error) {
	best := 0
	for _, r := range p.rows {
		names := []string{r.label()}
		if r.room == nil {
			names = append(names, r.name, "@"+r.name)
		}
		for _, n := range names {
			if len(n) > best && len(arg) >= len(n) && strings.EqualFold(arg[:len(n)], n) &&
				(len(arg) == len(n) || arg[len(n)] == ' ' || arg[len(n)] == '\n') {
				best = len(n)
			}
		}
	}
	if best == 0 {
		best = len(arg)
		if i := strings.IndexAny(arg, " \n"); i >= 0 {
			best = i
		}
	}
	t, err = p.find(arg[:best])
	return t, strings.TrimSpace(arg[best:]), err
}

// online counts who is there.
func (p *people) online() int {
	n := 0
	for _, t := range p.rows {
		if t.kind == api.KindDirect && t.online() {
			n++
		}
	}
	return n
}

// unread counts what waits in conversations other than the focused one.
func (p *people) unread() int {
	n := 0
	for _, t := range p.rows {
		if t != p.focus {
			n += t.unread
		}
	}
	return n
}

// viewPeople renders the left pane: h rows of w columns.
func (m *model) viewPeople(w, h int) []string {
	p := &m.people
	if i := p.index(p.focus); i >= 0 { // keep the focused row on the screen
		p.top = min(max(p.top, i-h+1), i)
	}
	p.top = max(0, min(p.top, len(p.rows)-h))
	rows := make([]string, 0, h)
	for i := p.top; i < len(p.rows) && len(rows) < h; i++ {
		rows = append(rows, m.viewPerson(p.rows[i], w))
	}
	if below := len(p.rows) - p.top - h; below > 0 && h > 1 {
		rows[h-1] = m.styles.dim.Render(fit(m.width, " "+m.signs.down+" "+strconv.Itoa(below+1)+" more", w))
	}
	for len(rows) < h {
		rows = append(rows, strings.Repeat(" ", max(w, 0)))
	}
	return rows
}

// viewPerson renders one row: pointer, presence, name, and on the right how
// much is unread.
func (m *model) viewPerson(t *talk, w int) string {
	sign, _, signStyle := m.presence(t.peer)
	if t.kind == api.KindRoom {
		sign, signStyle = " ", m.styles.plain
	}
	tail := ""
	switch {
	case t.unread > 0:
		tail = strconv.Itoa(t.unread)
		if t.unread > 999 {
			tail = "999+"
		}
		if t.named > 0 {
			tail = "@" + tail
		}
		tail = " " + tail + " "
	case m.typing(t):
		tail = " " + m.signs.queued + " "
	}
	pointer, name := " ", m.styles.plain
	switch {
	case t == m.people.focus:
		pointer, name = m.signs.pointer, m.styles.selected
		signStyle = signStyle.Inherit(m.styles.selected)
	case t.unread > 0:
		name = m.styles.bold
	case !t.online() && t.kind == api.KindDirect:
		name = m.styles.dim
	}
	label := t.label()
	room := w - 3 - m.width.StringWidth(tail)
	if t.peer.Warning != "" {
		label = clip(m.width, label, room-2) + " " + m.signs.warning
	}
	tailStyle := m.styles.accent.Bold(true)
	if t == m.people.focus {
		tailStyle = tailStyle.Inherit(m.styles.selected)
	}
	return pad(m.width, m.styles.accent.Render(pointer)+signStyle.Render(sign)+
		name.Render(" "+fit(m.width, label, room))+tailStyle.Render(tail), w)
}
