package node

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"unicode"

	"p2pchat/node/api"
	"p2pchat/node/internal/rooms"
	"p2pchat/protocol/event"
)

// roomFiles appends what happens in rooms that are logged to readable files, one
// a room, logs/NAME-ID.log in the data directory (0600): a line each, with its
// time (UTC), in the order of arrival. Lines that cannot be written (a full disk)
// are not written later: the file says how many are missing there. It is guarded
// by its mutex.
type roomFiles struct {
	dir  string
	tell func(error) // of the first failure in a row, and nil when all is well again

	mu      sync.Mutex
	missing map[event.Conversation]int // lines that could not be written, for the file to say
}

func newRoomFiles(dataDir string, tell func(error)) *roomFiles {
	return &roomFiles{dir: filepath.Join(dataDir, "logs"), tell: tell, missing: map[event.Conversation]int{}}
}

// write appends lines, if the room is logged.
func (f *roomFiles) write(id event.Conversation, s rooms.Scene, lines []api.Message) {
	if !s.Logging || len(lines) == 0 {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	failing := len(f.missing) > 0
	if err := f.append(roomFileName(s.Name, id), f.missing[id], lines); err != nil {
		f.missing[id] += len(lines)
		if !failing {
			f.tell(err)
		}
		return
	}
	delete(f.missing, id)
	if failing && len(f.missing) == 0 {
		f.tell(nil)
	}
}

// append writes all of the lines or none.
func (f *roomFiles) append(name string, missing int, lines []api.Message) (err error) {
	if err := os.MkdirAll(f.dir, 0o700); err != nil {
		return err
	}
	file, err := os.OpenFile(filepath.Join(f.dir, name), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	info, err := file.Stat()
	if err != nil {
		return err
	}
	var b strings.Builder
	for i, m := range lines {
		at := m.Time.UTC().Format("2006-01-02 15:04:05")
		if i == 0 && missing > 0 {
			fmt.Fprintf(&b, "%s --- what is missing here could not be written (lines: %d)\n", at, missing)
		}
		fmt.Fprintf(&b, "%s %s\n", at, readable(m))
	}
	if _, err = file.WriteString(b.String()); err != nil {
		return errors.Join(err, file.Truncate(info.Size()))
	}
	return nil
}

// roomFileName keeps of a room's name what every file system takes.
func roomFileName(name string, id event.Conversation) string {
	kept := strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) || r == '-' || r == '_' {
			return r
		}
		return '_'
	}, name)
	if runes := []rune(kept); len(runes) > 40 {
		kept = string(runes[:40])
	}
	return kept + "-" + id.String()[:8] + ".log"
}

// readable is a message as one line of a log.
func readable(m api.Message) string {
	who := m.Nick
	if who == "" {
		who = m.Name
	}
	who, text := plain(who), plain(m.Text)
	if m.Retracted && m.Kind == api.MessageText {
		return "<" + who + "> [retracted]"
	}
	switch m.Kind {
	case api.MessageAction:
		return "* " + who + " " + text
	case api.MessageJoin:
		return "--> " + text + " joined"
	case api.MessageLeave:
		return "<-- " + who + " left"
	case api.MessageNick:
		return "--- " + plain(m.Name) + " is called " + text + " now"
	case api.MessageSubject:
		return "--- " + who + " set the subject: " + text
	case api.MessageGovern:
		return "--- " + who + " " + text
	case api.MessageEdit:
		return "--- " + who + " edited what was said at " + text
	case api.MessageRetraction:
		return "--- " + who + " took back what was said at " + strings.TrimSuffix(text, ": ")
	case api.MessageUnknown:
		return "<" + who + "> (this needs a newer p2pchat)"
	}
	return "<" + who + "> " + text
}

// plain makes a text harmless for whoever prints the file: line breaks are shown,
// other control and format characters (escapes, bidi overrides) replaced.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n':
			return '\u2424'
		case r == '\t':
			return ' '
		case unicode.IsControl(r), unicode.Is(unicode.Cf, r), r == '\u2028', r == '\u2029':
			return unicode.ReplacementChar
		}
		return r
	}, s)
}
