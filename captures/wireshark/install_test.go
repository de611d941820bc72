package wireshark

import (
	"bytes"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"p2pchat/captures/internal/capturetest"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// user has a fresh home and no settings in the environment.
func user(t *testing.T, env map[string]string) User {
	t.Helper()
	return User{Home: t.TempDir(), System: "linux", Getenv: func(name string) string { return env[name] }}
}

// write makes a file and its folders.
func write(t *testing.T, path, text string) {
	t.Helper()
	must(t, os.MkdirAll(filepath.Dir(path), 0o755))
	must(t, os.WriteFile(path, []byte(text), 0o640))
}

func content(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	must(t, err)
	return string(b)
}

func TestFolders(t *testing.T) {
	t.Parallel()
	for name, x := range map[string]struct {
		system          string
		env             map[string]string
		dirs            []string
		plugins, config string // H is the home
	}{
		"linux":      {"linux", nil, nil, "H/.local/lib/wireshark/plugins", "H/.config/wireshark"},
		"darwin":     {"darwin", nil, nil, "H/.local/lib/wireshark/plugins", "H/.config/wireshark"},
		"xdg":        {"linux", map[string]string{"XDG_CONFIG_HOME": "/x"}, nil, "H/.local/lib/wireshark/plugins", "/x/wireshark"},
		"relative":   {"linux", map[string]string{"XDG_CONFIG_HOME": "x"}, nil, "H/.local/lib/wireshark/plugins", "H/.config/wireshark"},
		"legacy":     {"linux", nil, []string{".wireshark"}, "H/.local/lib/wireshark/plugins", "H/.wireshark"},
		"both":       {"linux", nil, []string{".wireshark", ".config/wireshark"}, "H/.local/lib/wireshark/plugins", "H/.config/wireshark"},
		"chosen":     {"linux", map[string]string{"WIRESHARK_CONFIG_DIR": "/c"}, []string{".wireshark"}, "H/.local/lib/wireshark/plugins", "/c"},
		"windows":    {"windows", map[string]string{"APPDATA": "/a"}, nil, "/a/Wireshark/plugins", "/a/Wireshark"},
		"no appdata": {"windows", nil, nil, "H/AppData/Roaming/Wireshark/plugins", "H/AppData/Roaming/Wireshark"},
	} {
		u := user(t, x.env)
		u.System = x.system
		for _, dir := range x.dirs {
			must(t, os.MkdirAll(filepath.Join(u.Home, dir), 0o755))
		}
		plugins, config := u.Folders()
		short := func(p string) string { return filepath.ToSlash(strings.Replace(p, u.Home, "H", 1)) }
		if short(plugins) != x.plugins || short(config) != x.config {
			t.Errorf("%s: %s, %s", name, short(plugins), short(config))
		}
	}
}

func TestInstall(t *testing.T) {
	t.Parallel()
	u := user(t, nil)
	done, err := u.Install()
	must(t, err)
	if done.State != New || !slices.Equal(done.Set, settings) || content(t, done.Plugin) != string(Plugin) {
		t.Errorf("%+v", done)
	}
	if got := content(t, done.Preferences); got != strings.Join(settings, ": TRUE\n")+": TRUE\n" {
		t.Errorf("preferences %q", got)
	}
	again, err := u.Install()
	if err != nil || again.State != Unchanged || len(again.Set) > 0 {
		t.Errorf("again: %+v, %v", again, err)
	}
	write(t, done.Plugin, "-- p2pchat, an older one")
	newer, err := u.Install()
	if err != nil || newer.State != Updated || content(t, done.Plugin) != string(Plugin) {
		t.Errorf("over an older one: %+v, %v", newer, err)
	}
	for _, dir := range []string{filepath.Dir(done.Plugin), filepath.Dir(done.Preferences)} {
		left, err := os.ReadDir(dir)
		if err != nil || len(left) != 1 {
			t.Errorf("%s holds %v, %v", dir, left, err)
		}
	}
}

func TestSettings(t *testing.T) {
	t.Parallel()
	all := strings.Join(settings, ": TRUE\n") + ": TRUE\n"
	for in, want := range map[string]struct {
		text string
		set  int
	}{
		"":  {all, 3},
		all: {all, 0},
		"# a comment\ngui.font: x\n#tcp.try_heuristic_first: FALSE\n": {"# a comment\ngui.font: x\n#tcp.try_heuristic_first: FALSE\n" + all, 3},
		"tcp.try_heuristic_first: FALSE\nx: y": {
			"tcp.try_heuristic_first: TRUE\nx: y\ntcp.reassemble_out_of_order: TRUE\nudp.try_heuristic_first: TRUE\n", 3,
		},
		"tcp.reassemble_out_of_order:true\r\nudp.try_heuristic_first: False\r\ntcp.try_heuristic_first: TRUE\r\n": {
			"tcp.reassemble_out_of_order:true\r\nudp.try_heuristic_first: TRUE\r\ntcp.try_heuristic_first: TRUE\r\n", 1,
		},
		"x: y\r\n": {"x: y\r\n" + strings.ReplaceAll(all, "\n", "\r\n"), 3},
		"nameres.hosts: a:b\n continued: tcp.try_heuristic_first: FALSE\n": {"nameres.hosts: a:b\n continued: tcp.try_heuristic_first: FALSE\n" + all, 3},
	} {
		got, set := withSettings([]byte(in))
		if string(got) != want.text || len(set) != want.set {
			t.Errorf("%q becomes %q, %q set", in, got, set)
		}
	}
}

func TestPreferencesKeepTheirMode(t *testing.T) {
	t.Parallel()
	u := user(t, nil)
	prefs := filepath.Join(u.Home, ".wireshark", "preferences")
	write(t, prefs, "gui.x: y\n")
	done, err := u.Install()
	must(t, err)
	info, err := os.Stat(prefs)
	must(t, err)
	if done.Preferences != prefs || info.Mode().Perm() != 0o640 || !strings.HasPrefix(content(t, prefs), "gui.x: y\n") {
		t.Errorf("%+v, mode %v, %q", done, info.Mode(), content(t, prefs))
	}
}

// What is not ours stays as it is.
func TestRefused(t *testing.T) {
	t.Parallel()
	for name, prepare := range map[string]func(t *testing.T, plugin, prefs, elsewhere string){
		"another plugin": func(t *testing.T, plugin, _, _ string) { write(t, plugin, "-- somebody else's") },
		"a folder":       func(t *testing.T, plugin, _, _ string) { must(t, os.MkdirAll(plugin, 0o755)) },
		"a link to a plugin": func(t *testing.T, plugin, _, elsewhere string) {
			write(t, elsewhere, "-- p2pchat of mine")
			must(t, os.MkdirAll(filepath.Dir(plugin), 0o755))
			must(t, os.Symlink(filepath.Base(elsewhere), plugin))
		},
		"linked preferences": func(t *testing.T, _, prefs, elsewhere string) {
			write(t, elsewhere, "x: y\n")
			must(t, os.MkdirAll(filepath.Dir(prefs), 0o755))
			must(t, os.Symlink(elsewhere, prefs))
		},
	} {
		u := user(t, nil)
		plugins, config := u.Folders()
		plugin, prefs := filepath.Join(plugins, FileName), filepath.Join(config, "preferences")
		elsewhere := filepath.Join(filepath.Dir(plugin), "elsewhere")
		prepare(t, plugin, prefs, elsewhere)
		before := tree(t, u.Home)
		if _, err := u.Install(); err == nil {
			t.Errorf("%s: installed", name)
		}
		after := tree(t, u.Home)
		delete(after, filepath.Join(".local", "lib", "wireshark", "plugins", FileName))
		delete(before, filepath.Join(".local", "lib", "wireshark", "plugins", FileName))
		if !maps.Equal(before, after) {
			t.Errorf("%s: before %q, after %q", name, before, after)
		}
	}
}

// tree is what files hold, by their names.
func tree(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	must(t, filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if b, readErr := os.ReadFile(path); readErr == nil {
			files[name] = string(b)
		}
		return err
	}))
	return files
}

// A link to a file that holds the plugin is a developer's: nothing is to do.
func TestLinkToTheSame(t *testing.T) {
	t.Parallel()
	u := user(t, nil)
	plugins, _ := u.Folders()
	write(t, filepath.Join(plugins, "checkout"), string(Plugin))
	must(t, os.Symlink(filepath.Join(plugins, "checkout"), filepath.Join(plugins, FileName)))
	if done, err := u.Install(); err != nil || done.State != Unchanged {
		t.Errorf("%+v, %v", done, err)
	}
}

// Wireshark looks where the plugin is put: in a fresh home, tshark needs no other
// option.
func TestTsharkFindsIt(t *testing.T) {
	t.Parallel()
	tshark, err := exec.LookPath("tshark")
	capturetest.Need(t, err == nil, "tshark")
	for _, legacy := range []bool{false, true} {
		u := user(t, nil)
		u.System = runtime.GOOS
		if legacy {
			must(t, os.Mkdir(filepath.Join(u.Home, ".wireshark"), 0o755))
		}
		_, err := u.Install()
		must(t, err)
		run := func(args ...string) string {
			cmd := exec.Command(tshark, args...)
			cmd.Env = append(slices.DeleteFunc(os.Environ(), func(v string) bool {
				return strings.HasPrefix(v, "XDG_") || strings.HasPrefix(v, "WIRESHARK_")
			}), "HOME="+u.Home, "LC_ALL=C")
			var stderr bytes.Buffer
			cmd.Stderr = &stderr
			out, err := cmd.Output()
			if err != nil {
				t.Fatalf("tshark %v: %v\n%s", args, err, stderr.String())
			}
			return string(out)
		}
		lines := run("-r", "../samples/demo.pcapng", "-Y", "p2pchat.text", "-T", "fields", "-e", "p2pchat.text")
		if strings.Count(lines, "\n") != 8 || !strings.HasPrefix(lines, "Hi! server, need help\n") {
			t.Errorf("tshark shows %q", lines)
		}
		if mdns := run("-r", "../samples/demo.pcapng", "-Y", "mdns"); strings.Count(mdns, "\n") != 12 {
			t.Errorf("with heuristics first there is this of mDNS:\n%s", mdns)
		}
		current := run("-G", "currentprefs")
		for _, name := range settings {
			if !strings.Contains(current, "\n"+name+": TRUE") {
				t.Errorf("%s is not set", name)
			}
		}
	}
}
