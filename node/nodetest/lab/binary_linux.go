package lab

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

const binaryEnv = "P2PCHAT_BIN"

// Binary returns the path of the binary under test, which Main built or
// P2PCHAT_BIN names.
func Binary(t testing.TB) string {
	t.Helper()
	bin := os.Getenv(binaryEnv)
	if bin == "" {
		t.Fatal("no binary: call lab.Main with lab.WithBinary")
	}
	sources()
	return bin
}

// Binary returns the path of the binary that the host runs.
func (h *Host) Binary() string {
	h.l.t.Helper()
	Binary(h.l.t)
	return h.bin
}

var variants struct {
	sync.Mutex
	built map[string]error // by tags
}

// variant builds the command once with these build tags. It runs inside the
// namespaces, without a network: the modules are those of the binary that was
// built outside.
func variant(tags string) (bin string, err error) {
	importPath := os.Getenv(importEnv)
	if importPath == "" {
		return "", errors.New("no binary: call lab.Main with lab.WithBinary")
	}
	bin = filepath.Join(os.Getenv(dirEnv), "variant-"+tags)
	variants.Lock()
	defer variants.Unlock()
	err, done := variants.built[tags]
	if !done {
		err = build(importPath, bin, "-tags", tags)
		if variants.built == nil {
			variants.built = map[string]error{}
		}
		variants.built[tags] = err
	}
	return bin, err
}

// build compiles a command. The first time it runs outside the namespaces,
// where there is a network should a module be missing.
func build(importPath, bin string, flags ...string) error {
	cmd := exec.Command("go", append(append([]string{"build", "-o", bin}, flags...), importPath)...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", cmd, err, bytes.TrimSpace(out))
	}
	return nil
}

// sources looks at every source file of the module once. The go command
// reuses a test's result while the files the test looked at are unchanged,
// and does not know by itself that these tests depend on what the binary is
// built from.
var sources = sync.OnceFunc(func() {
	root, err := os.Getwd()
	for err == nil {
		if _, err := os.Stat(filepath.Join(root, "go.mod")); err == nil {
			break
		}
		if root == filepath.Dir(root) {
			return
		}
		root = filepath.Dir(root)
	}
	_ = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return nil // others may be editing the tree
		case d.IsDir() && path != root && (strings.HasPrefix(d.Name(), ".") || d.Name() == "dist" || d.Name() == "docs"):
			return fs.SkipDir
		case d.Type().IsRegular() && !strings.HasSuffix(d.Name(), "_test.go"):
			if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
				return nil
			}
		}
		return nil
	})
})
