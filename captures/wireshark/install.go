package wireshark

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// FileName is how the plugin is called where it is installed.
const FileName = "p2pchat.lua"

// settings are preferences that help: without the first, a segment that was
// overtaken breaks what is decrypted; the others let the plugin see connections
// whose ports it cannot know.
var settings = []string{"tcp.reassemble_out_of_order", "tcp.try_heuristic_first", "udp.try_heuristic_first"}

// User is for whom the plugin is installed.
type User struct {
	Home string // absolute
	// Owner is who gets what is made, if another user than he makes it; then
	// Getenv should give nothing, as it would give that one's.
	Owner  *Owner
	Getenv func(string) string
	System string // as runtime.GOOS has it
}

// Owner is a user and group of the operating system.
type Owner struct{ UID, GID int }

// Installed is what was done, and where.
type Installed struct {
	Plugin      string `json:"plugin"` // path
	State       State  `json:"state"`
	Preferences string `json:"preferences"` // path
	// Set are preferences that were not as they should be and now are.
	Set []string `json:"set"`
}

// State says what became of the plugin's file.
type State string

// All states.
const (
	New       State = "installed"
	Updated   State = "updated"
	Unchanged State = "unchanged"
)

// ErrRefused: something stands where the plugin or a preference should, and is
// not ours to change. The text says what.
var ErrRefused = errors.New("not changed")

// Folders are where Wireshark, 3.0 and later, looks for one user's Lua plugins
// and for his preferences (Wireshark User's Guide, appendix B, and its
// wsutil/filesystem.c).
func (u User) Folders() (plugins, config string) {
	chosen := u.Getenv("WIRESHARK_CONFIG_DIR")
	if u.System == "windows" {
		if chosen == "" {
			chosen = u.Getenv("WIRESHARK_APPDATA")
		}
		if chosen == "" {
			data := u.Getenv("APPDATA")
			if data == "" {
				data = filepath.Join(u.Home, "AppData", "Roaming")
			}
			chosen = filepath.Join(data, "Wireshark")
		}
		return filepath.Join(chosen, "plugins"), chosen
	}
	plugins = filepath.Join(u.Home, ".local", "lib", "wireshark", "plugins")
	if chosen != "" {
		return plugins, chosen
	}
	config = u.Getenv("XDG_CONFIG_HOME")
	if !filepath.IsAbs(config) {
		config = filepath.Join(u.Home, ".config")
	}
	config = filepath.Join(config, "wireshark")
	legacy := filepath.Join(u.Home, ".wireshark")
	if !isDir(config) && isDir(legacy) {
		return plugins, legacy
	}
	return plugins, config
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// Install puts the plugin into the user's folder and sets the preferences that
// help; of the preferences nothing else is touched. Done twice, the second time
// changes nothing. Errors: [ErrRefused], others.
func (u User) Install() (Installed, error) {
	plugins, config := u.Folders()
	done := Installed{Plugin: filepath.Join(plugins, FileName), Preferences: filepath.Join(config, "preferences"), State: Unchanged}
	old, err := u.replace(done.Plugin, func(old []byte) ([]byte, error) {
		if old != nil && !bytes.Contains(old, []byte("p2pchat")) {
			return nil, fmt.Errorf("%w: %s is another plugin", ErrRefused, done.Plugin)
		}
		return Plugin, nil
	})
	switch {
	case err != nil:
		return done, err
	case old == nil:
		done.State = New
	case !bytes.Equal(old, Plugin):
		done.State = Updated
	}
	_, err = u.replace(done.Preferences, func(old []byte) (text []byte, err error) {
		text, done.Set = withSettings(old)
		return text, nil
	})
	return done, err
}

// withSettings sets our preferences in the text of a file: where a line gives one
// another value, in that line, else at the end.
func withSettings(text []byte) ([]byte, []string) {
	end := "\n"
	if bytes.Contains(text, []byte("\r\n")) {
		end = "\r\n"
	}
	lines := strings.SplitAfter(string(text), "\n")
	var changed, missing []string
	for _, name := range settings {
		found, wrong := false, false
		for i, line := range lines {
			key, value, ok := strings.Cut(line, ":")
			if !ok || strings.TrimSpace(key) != name || strings.HasPrefix(line, " ") {
				continue
			}
			found = true
			if !strings.EqualFold(strings.TrimSpace(value), "TRUE") {
				wrong = true
				lines[i] = name + ": TRUE" + line[len(strings.TrimRight(line, "\r\n")):]
			}
		}
		if !found {
			missing = append(missing, name+": TRUE"+end)
		}
		if !found || wrong {
			changed = append(changed, name)
		}
	}
	out := strings.Join(lines, "")
	if len(missing) > 0 {
		if out != "" && !strings.HasSuffix(out, "\n") {
			out += end
		}
		out += strings.Join(missing, "")
	}
	return []byte(out), changed
}

// replace gives a file new content, in one step, and returns the old one; nil if
// there was no file. change is told the old content and returns the new one; if
// they are the same nothing is written. Missing folders are made.
func (u User) replace(path string, change func(old []byte) ([]byte, error)) (old []byte, err error) {
	root, name, err := u.open(path)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	mode := fs.FileMode(0o644)
	info, err := root.Lstat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular() && info.Mode()&fs.ModeSymlink == 0:
		return nil, fmt.Errorf("%w: %s is not a file", ErrRefused, path)
	default:
		if old, err = u.read(root, name, path); err != nil {
			return nil, err
		}
		mode = info.Mode().Perm()
	}
	text, err := change(old)
	if err != nil || old != nil && bytes.Equal(old, text) {
		return old, err
	}
	if old != nil && info.Mode()&fs.ModeSymlink != 0 {
		return old, fmt.Errorf("%w: %s is a symbolic link, and what it points to is not touched here: change it yourself, or remove the link", ErrRefused, path)
	}
	return old, u.write(root, name, text, mode)
}

// read is never nil without an error. Links are followed, but not for another
// user out of his home.
func (u User) read(root *os.Root, name, path string) (b []byte, err error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular(): // behind a link: reading it might never end
		return nil, fmt.Errorf("%w: %s is not a file", ErrRefused, path)
	case u.Owner == nil:
		b, err = os.ReadFile(path)
	default:
		b, err = root.ReadFile(name)
	}
	if b == nil {
		b = []byte{}
	}
	return b, err
}

// open makes a file's folder and opens it. What another user owns is reached
// from his home, and no symbolic link on the way may lead out of it.
func (u User) open(path string) (root *os.Root, name string, err error) {
	if u.Owner == nil {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return nil, "", err
		}
		root, err = os.OpenRoot(filepath.Dir(path))
		return root, filepath.Base(path), err
	}
	if name, err = filepath.Rel(u.Home, path); err != nil || !filepath.IsLocal(name) {
		return nil, "", fmt.Errorf("%w: %s is not in %s", ErrRefused, path, u.Home)
	}
	if root, err = os.OpenRoot(u.Home); err != nil {
		return nil, "", err
	}
	dir := ""
	for part := range strings.SplitSeq(filepath.ToSlash(filepath.Dir(name)), "/") {
		dir = filepath.Join(dir, part)
		err := root.Mkdir(dir, 0o755)
		if err == nil {
			err = root.Lchown(dir, u.Owner.UID, u.Owner.GID)
		}
		if err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, "", errors.Join(err, root.Close())
		}
	}
	return root, name, nil
}

// write replaces a file by way of a temporary one beside it.
func (u User) write(root *os.Root, name string, text []byte, mode fs.FileMode) (err error) {
	temp := name + ".p2pchat-new"
	_ = root.Remove(temp) // of a run that was killed
	f, err := root.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = root.Remove(temp)
		}
	}()
	_, err = f.Write(text)
	if err == nil && u.Owner != nil {
		err = f.Chown(u.Owner.UID, u.Owner.GID)
	}
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return root.Rename(temp, name)
}
