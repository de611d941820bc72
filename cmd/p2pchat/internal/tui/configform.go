package tui

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"

	"p2pchat/node/api"
)

// settingHelp says what a setting is about, for the line below the form.
var settingHelp = map[string]string{
	"name":          "what the room is called",
	"description":   "what the room is for",
	"language":      "of the talk in it, such as en or de-CH",
	"visible":       "false: the room is on no list, and others join by its ID or an invitation",
	"access":        "members-only puts out who is no member",
	"moderated":     "true: who has no standing needs voice to speak",
	"persistent":    "false: the room goes when nobody is in it any more",
	"logging":       "true: every member's program keeps a readable file; who joins is told",
	"subject_by":    "who may set the subject",
	"invite_by":     "who may invite",
	"pm_by":         "whose private messages the room lets pass; moderators: to or from one",
	"history":       "what newcomers get: all, none, a number of messages, or a duration such as 24h",
	"max_occupants": "how many may be present; 0: any number. Admins and owners always come in",
	"slow_mode":     "how long to wait between two messages, such as 5s; 0s: not at all",
	"min_version":   "of the rules; who has an older program is left out",
	keyPassword:     "type a new one; Left, Right: take it away. It guards the door, and puts nobody out",
}

// Rows of the form that are no settings.
const (
	keyPassword = "password"
	keySave     = "save"
)

// configForm is the dialog that changes a room's settings. It holds what was
// changed; what was not follows the room.
type configForm struct {
	id   int
	t    *talk
	at   int // row
	top  int
	page int

	set        map[string]string // what was changed, by key
	password   draft             // a new one; kept nowhere else
	noPassword bool

	editing draft // of the text under the pointer
	input   input
	sure    bool // Esc was pressed once
	saving  bool
	err     string // clean
}

type configuredMsg struct {
	id  int
	err error
}

func (m *model) openConfig(t *talk) {
	m.sheets++
	f := &configForm{id: m.sheets, t: t, set: map[string]string{}, password: draft{column: -1}}
	m.show(f)
	f.moveTo(0)
}

func (f *configForm) about() *talk { return f.t }
func (f *configForm) close()       { f.password, f.input = draft{}, input{} }

// rows are the keys of the form, from above.
func (f *configForm) rows() []string {
	var out []string
	for _, s := range api.RoomSettings() {
		out = append(out, s.Key)
	}
	return append(out, keyPassword, keySave)
}

func (f *configForm) key() string { return f.rows()[f.at] }

func spec(key string) api.SettingSpec {
	all := api.RoomSettings()
	if i := slices.IndexFunc(all, func(s api.SettingSpec) bool { return s.Key == key }); i >= 0 {
		return all[i]
	}
	return api.SettingSpec{Key: key}
}

// value is a setting as the form has it.
func (f *configForm) value(key string) string {
	if v, ok := f.set[key]; ok {
		return v
	}
	return f.t.room.rules.setting(key)
}

// change sets a setting, or forgets the change if it is none.
func (f *configForm) change(key, value string) {
	f.err, f.sure = "", false
	if value == f.t.room.rules.setting(key) {
		delete(f.set, key)
		return
	}
	f.set[key] = value
}

// changes counts what would be saved.
func (f *configForm) changes() int {
	n := len(f.set)
	if f.noPassword || f.password.text != "" {
		n++
	}
	return n
}

func (f *configForm) moveTo(i int) {
	f.at = max(0, min(i, len(f.rows())-1))
	f.editing.setText(f.value(f.key()))
	f.input = input{}
}

func (f *configForm) scroll(_ *model, n int) { f.moveTo(f.at + n) }

// whyNot says why nothing can be changed.
func (f *configForm) whyNot() string {
	if f.saving {
		return "it is being saved"
	}
	return whyNot(f.t.room.Standing, actConfigure)
}

func (f *configForm) hint(m *model) string {
	if whyNot(f.t.room.Standing, actConfigure) != "" {
		return "Esc closes " + m.signs.more + " Up, Down choose"
	}
	return "Ctrl+S saves " + m.signs.more + " Left, Right change " + m.signs.more + " Esc closes"
}

func (f *configForm) paste(m *model, text string) {
	line, _, _ := strings.Cut(text, "\n")
	f.write(m, strings.TrimSuffix(line, "\r"))
}

// write types text into the row under the pointer.
func (f *configForm) write(m *model, s string) {
	if f.whyNot() != "" {
		return
	}
	switch k := f.key(); {
	case k == keyPassword:
		f.password.put(secretText(s))
		f.noPassword, f.err, f.sure = false, "", false
	case spec(k).Free:
		f.editing.insert(oneLine(s))
		f.change(k, f.editing.text)
	case s == " ":
		f.cycle(1)
	}
}

// cycle changes a choice, or takes the password away and back.
func (f *configForm) cycle(n int) {
	k := f.key()
	if k == keyPassword {
		f.password = draft{column: -1}
		f.noPassword = f.t.room.Password && !f.noPassword
		f.err, f.sure = "", false
		return
	}
	if values := spec(k).Values; len(values) > 0 {
		i := slices.Index(values, f.value(k))
		f.change(k, values[((i+n)%len(values)+len(values))%len(values)])
	}
}

func (f *configForm) press(m *model, msg tea.KeyPressMsg) tea.Cmd {
	if n, ok := steer(msg, len(f.rows()), f.page); ok {
		f.moveTo(f.at + n)
		return nil
	}
	k := f.key()
	text := spec(k).Free || k == keyPassword && f.password.text != ""
	switch {
	case key.Matches(msg, keys.Close):
		if f.changes() > 0 && !f.sure && !f.saving {
			f.sure = true
			f.err = plural(f.changes(), "change is", "changes are") + " not saved: Esc again drops them, Ctrl+S saves"
			return nil
		}
		m.closeDialog()
	case key.Matches(msg, keys.Redraw):
		return tea.ClearScreen
	case key.Matches(msg, keys.Save), key.Matches(msg, keys.Send) && k == keySave:
		return f.save(m)
	case key.Matches(msg, keys.Send), key.Matches(msg, keys.Complete), key.Matches(msg, keys.Newline):
		f.moveTo(f.at + 1)
	case key.Matches(msg, keys.CompleteBack):
		f.moveTo(f.at - 1)
	case f.whyNot() != "":
	case key.Matches(msg, keys.Left) && !text:
		f.cycle(-1)
	case key.Matches(msg, keys.Right) && !text:
		f.cycle(1)
	case msg.Text != "" && msg.Mod&(tea.ModCtrl|tea.ModAlt) == 0:
		f.write(m, msg.Text)
	case k == keyPassword:
		f.input.edit(&f.password, m.width, 1<<20, msg)
	case text:
		if f.input.edit(&f.editing, m.width, 1<<20, msg) && f.editing.text != f.value(k) {
			f.change(k, f.editing.text)
		}
	}
	return nil
}

// save asks for all changes at once.
func (f *configForm) save(m *model) tea.Cmd {
	if why := f.whyNot(); why != "" {
		f.err = why
		return nil
	}
	if f.changes() == 0 {
		m.closeDialog()
		return m.tell("nothing was changed")
	}
	r := api.ConfigureRequest{Room: f.t.target, NoPassword: f.noPassword, Password: []byte(f.password.text)}
	for _, s := range api.RoomSettings() {
		if v, ok := f.set[s.Key]; ok {
			r.Set = append(r.Set, api.Setting{Key: s.Key, Value: v})
		}
	}
	f.saving, f.err = true, ""
	return m.configure(f.id, r)
}

func (m *model) configure(id int, r api.ConfigureRequest) tea.Cmd {
	return m.calls.do(callTime, func(ctx context.Context) tea.Msg {
		_, err := m.svc.Configure(ctx, r)
		return configuredMsg{id, err}
	})
}

func (m *model) takeConfigured(msg configuredMsg) tea.Cmd {
	f, ok := m.dialog.(*configForm)
	if ok = ok && f.id == msg.id; ok {
		f.saving = false
	}
	switch {
	case msg.err != nil && ok:
		f.err = cleanError(msg.err)
		return nil
	case msg.err != nil:
		return m.fail(msg.err)
	case ok:
		m.closeDialog()
	}
	return nil // the transcript tells what was changed
}

func cmdConfig(m *model, arg string) (tea.Cmd, error) {
	t, err := m.here()
	if err != nil {
		return nil, err
	}
	if arg == "" {
		m.openConfig(t)
		return nil, nil
	}
	r := api.ConfigureRequest{Room: t.target}
	if r.Set, err = splitSettings(arg); err != nil {
		return nil, err
	}
	return m.configure(0, r), nil
}

// splitSettings reads KEY=VALUE, several of them; a value goes on until the
// next key, so that texts may hold spaces.
func splitSettings(arg string) ([]api.Setting, error) {
	var out []api.Setting
	for _, w := range strings.Fields(arg) {
		k, v, ok := strings.Cut(w, "=")
		switch {
		case ok && spec(k).Free || ok && len(spec(k).Values) > 0:
			out = append(out, api.Setting{Key: k, Value: v})
		case k == keyPassword:
			return nil, errors.New("a password is not typed where others can read it: /config alone asks for it")
		case len(out) == 0 || !spec(out[len(out)-1].Key).Free:
			return nil, errors.New(clean(cmp.Or(k, w)) + " is no setting: /config KEY=VALUE, and /config alone lists them")
		default:
			out[len(out)-1].Value += " " + w
		}
	}
	return out, nil
}
