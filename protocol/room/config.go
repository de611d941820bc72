package room

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"p2pchat/protocol/pb"
)

// Field numbers a field of the configuration. The numbers are the wire's.
type Field uint32

// The fields; one register each.
const (
	FieldName        Field = 1
	FieldDescription Field = 2
	FieldLanguage    Field = 3
	FieldVisible     Field = 4  // 1: listed; 0: hidden
	FieldAccess      Field = 5  // 0: open; 1: members-only
	FieldModerated   Field = 6  // 0, 1
	FieldPassword    Field = 7  // generation of the password, 0: none
	FieldPersistent  Field = 8  // 0, 1
	FieldLogging     Field = 9  // 0, 1
	FieldSubjectBy   Field = 10 // 0: moderators; 1: participants
	FieldInviteBy    Field = 11 // 0: participants; 1: moderators; 2: everyone
	FieldPMBy        Field = 12 // 0: everyone; 1: moderators; 2: nobody
	FieldHistory     Field = 13 // 0: all; 1: none; 2: last amount; 3: since amount ms
	FieldOccupants   Field = 14 // at most; 0: any number
	FieldSlowMode    Field = 15 // ms between two messages of one author
	FieldMinVersion  Field = 16
	fields           Field = 17
)

// Limits of texts.
const (
	MaxRoomName    = 64      // characters
	MaxDescription = 1 << 10 // bytes
	MaxLanguage    = 35      // bytes (RFC 5646, 4.4.1)
	MaxSubject     = 1 << 10 // bytes
	MaxReason      = 512     // bytes
)

const (
	maxNumber = 1 << 31
	maxMillis = int64(10 * 366 * 24 * time.Hour / time.Millisecond)
)

// Values of FieldHistory.
const (
	historyAll = iota
	historyNone
	historyLast
	historySince
)

type form uint8

const (
	formText form = iota
	formChoice
	formCount
	formMillis
	formHistory
)

type fieldSpec struct {
	key     string
	form    form
	choices []string // by number
	limit   int      // of a text, in bytes
	normal  uint64   // default
}

var noYes = []string{"false", "true"}

var fieldSpecs = [fields]fieldSpec{
	FieldName:        {key: "name", form: formText, limit: MaxRoomName * utf8.UTFMax},
	FieldDescription: {key: "description", form: formText, limit: MaxDescription},
	FieldLanguage:    {key: "language", form: formText, limit: MaxLanguage},
	FieldVisible:     {key: "visible", form: formChoice, choices: noYes, normal: 1},
	FieldAccess:      {key: "access", form: formChoice, choices: []string{"open", "members-only"}},
	FieldModerated:   {key: "moderated", form: formChoice, choices: noYes},
	FieldPassword:    {key: "password_generation", form: formCount},
	FieldPersistent:  {key: "persistent", form: formChoice, choices: noYes, normal: 1},
	FieldLogging:     {key: "logging", form: formChoice, choices: noYes},
	FieldSubjectBy:   {key: "subject_by", form: formChoice, choices: []string{"moderators", "participants"}},
	FieldInviteBy:    {key: "invite_by", form: formChoice, choices: []string{"participants", "moderators", "everyone"}},
	FieldPMBy:        {key: "pm_by", form: formChoice, choices: []string{"everyone", "moderators", "nobody"}},
	FieldHistory:     {key: "history", form: formHistory},
	FieldOccupants:   {key: "max_occupants", form: formCount},
	FieldSlowMode:    {key: "slow_mode", form: formMillis},
	FieldMinVersion:  {key: "min_version", form: formCount, normal: 1},
}

// Fields lists the fields this version knows, ascending.
func Fields() []Field {
	var out []Field
	for f := FieldName; f < fields; f++ {
		out = append(out, f)
	}
	return out
}

// Key is the field's name on the command line.
func (f Field) Key() string {
	if f == 0 || f >= fields {
		return fmt.Sprintf("field-%d", f)
	}
	return fieldSpecs[f].key
}

// Setting is one field and its value.
type Setting struct {
	Field  Field
	Text   string
	Number uint64
	Amount uint64
}

// known tells whether this version understands the field and its value.
func (s Setting) known() bool {
	if s.Field >= fields {
		return false
	}
	spec := fieldSpecs[s.Field]
	switch spec.form {
	case formText:
		return true
	case formChoice:
		return s.Number < uint64(len(spec.choices))
	case formHistory:
		return s.Number <= historySince
	}
	return true
}

// check refuses what no version allows.
func (s Setting) check() error {
	if s.Field == 0 {
		return fmt.Errorf("setting without a field")
	}
	if !s.known() {
		return nil
	}
	spec := fieldSpecs[s.Field]
	if spec.form == formText {
		if s.Number != 0 || s.Amount != 0 {
			return fmt.Errorf("%s is a text", spec.key)
		}
		if s.Field == FieldName && utf8.RuneCountInString(s.Text) > MaxRoomName {
			return fmt.Errorf("a room's name has at most %d characters", MaxRoomName)
		}
		return checkLine(spec.key, s.Text, spec.limit)
	}
	if s.Text != "" {
		return fmt.Errorf("%s is not a text", spec.key)
	}
	switch spec.form {
	case formHistory:
		if (s.Number >= historyLast) != (s.Amount > 0) || s.Amount > uint64(maxMillis) {
			return fmt.Errorf("history has an amount exactly where it is last or since")
		}
		return nil
	case formMillis:
		if s.Number > uint64(maxMillis) {
			return fmt.Errorf("%s is too long", spec.key)
		}
	default:
		if s.Number > maxNumber {
			return fmt.Errorf("%s is at most %d", spec.key, maxNumber)
		}
	}
	if s.Amount != 0 {
		return fmt.Errorf("%s has no amount", spec.key)
	}
	if s.Field == FieldMinVersion && s.Number == 0 {
		return fmt.Errorf("min_version is at least 1")
	}
	return nil
}

// checkLine refuses a text that is too long, not UTF-8 or holds control
// characters. limit is in bytes.
func checkLine(what, s string, limit int) error {
	if len(s) > limit {
		return fmt.Errorf("%s of %d bytes, at most %d", what, len(s), limit)
	}
	if !utf8.ValidString(s) || strings.ContainsFunc(s, unicode.IsControl) {
		return fmt.Errorf("%s must be one line of UTF-8", what)
	}
	return nil
}

// Value is the setting's value as on the command line.
func (s Setting) Value() string {
	if !s.known() {
		return fmt.Sprintf("unknown(%d)", s.Number)
	}
	spec := fieldSpecs[s.Field]
	switch spec.form {
	case formText:
		return s.Text
	case formChoice:
		return spec.choices[s.Number]
	case formMillis:
		return millis(s.Number).String()
	case formHistory:
		switch s.Number {
		case historyAll:
			return "all"
		case historyNone:
			return "none"
		case historyLast:
			return strconv.FormatUint(s.Amount, 10)
		}
		return millis(s.Amount).String()
	}
	return strconv.FormatUint(s.Number, 10)
}

func millis(n uint64) time.Duration { return time.Duration(n) * time.Millisecond }

// ParseSetting reads key and value as people write them. The generation of the
// password cannot be written: it follows the password.
func ParseSetting(key, value string) (Setting, error) {
	for f := FieldName; f < fields; f++ {
		if spec := fieldSpecs[f]; spec.key == key && f != FieldPassword {
			s, err := parseValue(f, spec, value)
			if err != nil {
				return Setting{}, err
			}
			return s, s.check()
		}
	}
	return Setting{}, fmt.Errorf("a room has no setting %q", key)
}

func parseValue(f Field, spec fieldSpec, value string) (Setting, error) {
	s := Setting{Field: f}
	switch spec.form {
	case formText:
		s.Text = value
		return s, nil
	case formChoice:
		for i, c := range spec.choices {
			if c == value {
				s.Number = uint64(i)
				return s, nil
			}
		}
		return s, fmt.Errorf("%s is one of %s, not %q", spec.key, strings.Join(spec.choices, ", "), value)
	case formCount:
		n, err := strconv.ParseUint(value, 10, 31)
		if err != nil {
			return s, fmt.Errorf("%s is a number, not %q", spec.key, value)
		}
		s.Number = n
		return s, nil
	case formMillis:
		d, err := parseMillis(spec.key, value)
		s.Number = d
		return s, err
	}
	switch value {
	case "all":
		return s, nil
	case "none":
		s.Number = historyNone
		return s, nil
	}
	if n, err := strconv.ParseUint(value, 10, 31); err == nil && n > 0 {
		s.Number, s.Amount = historyLast, n
		return s, nil
	}
	d, err := parseMillis(spec.key, value)
	if err != nil || d == 0 {
		return s, fmt.Errorf("history is all, none, a number of messages or a duration, not %q", value)
	}
	s.Number, s.Amount = historySince, d
	return s, nil
}

func parseMillis(key, value string) (uint64, error) {
	d, err := time.ParseDuration(value)
	if err != nil || d < 0 || d%time.Millisecond != 0 || d.Milliseconds() > maxMillis {
		return 0, fmt.Errorf("%s is a duration of whole milliseconds such as 10s, not %q", key, value)
	}
	return uint64(d.Milliseconds()), nil
}

// Password is the setting of a password's generation; 0 takes it away.
func Password(generation uint64) Setting { return Setting{Field: FieldPassword, Number: generation} }

// Config is a room's configuration: the value of every field.
type Config [fields]Setting

func defaultConfig() Config {
	var c Config
	for f := FieldName; f < fields; f++ {
		c[f] = Setting{Field: f, Number: fieldSpecs[f].normal}
	}
	return c
}

// Name, Description and Language are the texts.
func (c *Config) Name() string        { return c[FieldName].Text }
func (c *Config) Description() string { return c[FieldDescription].Text }
func (c *Config) Language() string    { return c[FieldLanguage].Text }

// Visible tells whether the room is listed.
func (c *Config) Visible() bool { return c[FieldVisible].Number == 1 }

// MembersOnly tells whether only members may enter.
func (c *Config) MembersOnly() bool { return c[FieldAccess].Number == 1 }

// Moderated tells whether those without standing need voice to speak.
func (c *Config) Moderated() bool { return c[FieldModerated].Number == 1 }

// Password is the generation of the password, 0 for none.
func (c *Config) Password() uint64 { return c[FieldPassword].Number }

// Persistent tells whether the room outlives its last occupant.
func (c *Config) Persistent() bool { return c[FieldPersistent].Number == 1 }

// Logging tells whether members keep readable logs.
func (c *Config) Logging() bool { return c[FieldLogging].Number == 1 }

// MaxOccupants is the room's capacity, 0 for any number.
func (c *Config) MaxOccupants() uint64 { return c[FieldOccupants].Number }

// SlowMode is the least time between two messages of one author.
func (c *Config) SlowMode() time.Duration { return millis(c[FieldSlowMode].Number) }

// MinVersion is the least protocol version the room asks for.
func (c *Config) MinVersion() uint64 { return c[FieldMinVersion].Number }

// History says what newcomers get: everything, nothing, the last n messages,
// or what is not older than since. Of n and since at most one is set.
func (c *Config) History() (all bool, last uint64, since time.Duration) {
	switch s := c[FieldHistory]; s.Number {
	case historyAll:
		return true, 0, 0
	case historyLast:
		return false, s.Amount, 0
	case historySince:
		return false, 0, millis(s.Amount)
	}
	return false, 0, 0
}

func (s Setting) wire() *pb.RoomSetting {
	return &pb.RoomSetting{Field: uint32(s.Field), Text: s.Text, Number: s.Number, Amount: s.Amount}
}

func settingFromWire(m *pb.RoomSetting) (Setting, error) {
	s := Setting{Field: Field(m.GetField()), Text: m.GetText(), Number: m.GetNumber(), Amount: m.GetAmount()}
	return s, s.check()
}

// narrows tells whether s shuts or silences people who have no standing.
func (s Setting) narrows() bool {
	return (s.Field == FieldAccess || s.Field == FieldModerated) && s.Number == 1
}
