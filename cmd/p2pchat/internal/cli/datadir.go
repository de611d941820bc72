package cli

import (
	"os"
	"os/user"
	"path/filepath"
	"runtime"

	"github.com/adrg/xdg"
)

const (
	envData         = "P2PCHAT_DATA"
	envPasswordFile = "P2PCHAT_PASSWORD_FILE"
)

// dataDir is the account's directory: --data over $P2PCHAT_DATA over the XDG
// data directory, which must not lie on a network file system.
func (a *app) dataDir() (string, error) {
	if dir := a.chosenDir(); dir != "" {
		return absolute(dir)
	}
	dir, err := defaultDir()
	if err != nil {
		return "", err
	}
	return dir, a.deps.Backend.CheckDefaultDir(dir)
}

func (a *app) chosenDir() string {
	if a.data != "" {
		return a.data
	}
	return os.Getenv(envData)
}

func absolute(dir string) (string, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", usagef("data directory %q: %w", dir, err)
	}
	return abs, nil
}

func defaultDir() (string, error) {
	xdg.Reload() // it reads the environment once otherwise, before main
	home := filepath.IsAbs(os.Getenv("HOME")) || runtime.GOOS == "windows"
	if !home && !filepath.IsAbs(os.Getenv("XDG_DATA_HOME")) {
		return "", usagef("HOME is not set, so there is no default data directory: name one with --data or %s", envData)
	}
	return filepath.Join(xdg.DataHome, "p2pchat"), nil
}

// sudoDir is the default data directory of the user who called sudo; ok is
// false if nobody did or a directory was chosen.
func (a *app) sudoDir() (dir string, ok bool) {
	if a.chosenDir() != "" || !underSudo() {
		return "", false
	}
	u, err := user.Lookup(os.Getenv("SUDO_USER"))
	if err != nil {
		return "", false
	}
	if runtime.GOOS == "darwin" {
		return filepath.Join(u.HomeDir, "Library", "Application Support", "p2pchat"), true
	}
	return filepath.Join(u.HomeDir, ".local", "share", "p2pchat"), true
}

// underSudo tells whether another user than root runs us as root.
func underSudo() bool {
	name := os.Getenv("SUDO_USER")
	return os.Geteuid() == 0 && name != "" && name != "root"
}
