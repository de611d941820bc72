package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime/pprof"
	"strings"
	"time"
)

// figures in the order of the documents.
var figures = []figure{
	{"round-trip", readme, "Direct message, round trip", roundTrip},
	{"pipelined", readme, "Direct messages, pipelined", pipelined},
	{"start", readme, "Start to first message", firstMessage},
	{"recovery", readme, "Recovery after a fault", recovery},
	{"idle", readme, "Idle node with one peer", idle},
	{"search", readme, "Search and open, 10⁶ messages", searching},
	{"program", readme, "The program", program},
	{"room-gossip", ofRooms, "Fan-out, GossipSub alone", fanOut},
	{"room-nodes", ofRooms, "Fan-out, whole nodes", wholeRooms},
	{"room-control", ofRooms, "Control events", control},
	{"room-entry", ofRooms, "Entering", admission},
	{"room-key", ofRooms, "A new key after a ban", rotation},
	{"history-join", ofHistory, "Entering a room with a past", lateJoin},
	{"history-weight", ofHistory, "A node that holds a million messages", weight},
	{"captures", ofCaptures, "Packets kept under a blast", capturing},
}

// documents, each of a number of figures.
const (
	readme     = "README.md"
	ofRooms    = "rooms.md"
	ofHistory  = "history.md"
	ofCaptures = "captures.md"
)

// figure is one thing that is measured. It returns a skipped error where the
// machine cannot do it.
type figure struct {
	name, document, title string
	measure               func(context.Context, *bench) (table, error)
}

// bench is what figures are told.
type bench struct {
	runs int
	dir  string // scratch, on the file system of the checkout
	root string // of the checkout
	load string // of the machine before anything was measured
	// libraries made so far, by the number of their messages.
	libraries map[int]library
}

// Set for the copy of this program that runs inside the lab's namespaces.
const (
	binaryEnv = "P2PCHAT_BIN"   // the program that is measured
	bareEnv   = "P2PCHAT_BARE"  // node/bench/bare
	dirEnv    = "P2PCHAT_BENCH" // scratch directory
)

func main() {
	run := flag.String("run", "", "measure only figures whose name matches this `regexp`, and write only documents of which nothing is left out")
	runs := flag.Int("runs", 5, "measure each figure this many `times`")
	profile := flag.String("cpuprofile", "", "write a CPU profile of this program, in which both nodes of the direct messages run, to `file`")
	flag.Parse()
	want, err := regexp.Compile(*run)
	if err == nil && (*runs < 1 || flag.NArg() > 0) {
		err = fmt.Errorf("-runs is %d and there are %d arguments; want at least 1, and none", *runs, flag.NArg())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(2)
	}
	if os.Getenv(dirEnv) != "" { // the copy
		enterLab(func() int {
			defer profiled(*profile)()
			return measure(want, *runs)
		})
		return
	}
	os.Exit(outside())
}

// profiled starts a CPU profile, and returns what ends it.
func profiled(name string) (stop func()) {
	if name == "" {
		return func() {}
	}
	f, err := os.Create(name)
	if err == nil {
		err = pprof.StartCPUProfile(f)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench: profile:", err)
		return func() {}
	}
	return func() {
		pprof.StopCPUProfile()
		_ = f.Close()
	}
}

// outside builds the programs and starts the copy that measures.
func outside() int {
	err := func() error {
		root, err := moduleRoot()
		if err != nil {
			return err
		}
		out := filepath.Join(root, "dist", "bench")
		if err := os.MkdirAll(out, 0o755); err != nil {
			return err
		}
		dir, err := os.MkdirTemp(out, "run-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		for env, pkg := range map[string]string{binaryEnv: "./cmd/p2pchat", bareEnv: "./node/bench/bare"} {
			bin := filepath.Join(out, filepath.Base(pkg))
			// As releases are built.
			if err := command(root, "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", bin, pkg).Run(); err != nil {
				return fmt.Errorf("build %s: %w", pkg, err)
			}
			os.Setenv(env, bin)
		}
		os.Setenv(dirEnv, dir)
		self, err := os.Executable()
		if err != nil {
			return err
		}
		return command(root, self, os.Args[1:]...).Run()
	}()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		return 1
	}
	return 0
}

// scratch makes a directory for one figure.
func (b *bench) scratch(name string) (string, error) {
	dir := filepath.Join(b.dir, name)
	return dir, os.MkdirAll(dir, 0o755)
}

func command(dir, name string, args ...string) *exec.Cmd {
	cmd := exec.Command(name, args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	return cmd
}

func moduleRoot() (string, error) {
	out, err := exec.Command("go", "env", "GOMOD").Output()
	if err != nil {
		return "", fmt.Errorf("ask go where its module is: %w", err)
	}
	mod := strings.TrimSpace(string(out))
	if filepath.Base(mod) != "go.mod" {
		return "", errors.New("run it in the checkout: here is no go.mod")
	}
	return filepath.Dir(mod), nil
}

// measure runs the figures and returns the exit code. They run on a goroutine
// of their own: the lab keeps the main one on the main thread, where every
// switch of goroutines is a switch of threads.
func measure(want *regexp.Regexp, runs int) int {
	code := make(chan int, 1) // one answer
	go func() {               // ends with its answer
		if err := measureAll(want, runs); err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
			code <- 1
			return
		}
		code <- 0
	}()
	return <-code
}

func measureAll(want *regexp.Regexp, runs int) error {
	root, err := moduleRoot()
	if err != nil {
		return err
	}
	b := &bench{runs: runs, dir: os.Getenv(dirEnv), root: root, load: loadAverage(), libraries: map[int]library{}}
	for _, name := range []string{readme, ofRooms, ofHistory, ofCaptures} {
		if err := b.document(context.Background(), name, want); err != nil {
			return err
		}
	}
	return nil
}

// document measures what is wanted of one document, prints it, and writes it if
// nothing is left out.
func (b *bench) document(ctx context.Context, name string, want *regexp.Regexp) error {
	var tables []table
	var failed []error
	whole := true
	for _, f := range figures {
		if f.document != name {
			continue
		}
		if !want.MatchString(f.name) {
			whole = false
			continue
		}
		began := time.Now()
		t, err := f.measure(ctx, b)
		t.Title = f.title
		switch {
		case isSkip(err):
			t.Skipped = err
		case err != nil:
			failed = append(failed, fmt.Errorf("%s: %w", f.name, err))
		}
		fmt.Fprintf(os.Stderr, "%s: %.0f s\n", f.name, time.Since(began).Seconds())
		tables = append(tables, t)
	}
	if len(tables) == 0 {
		return nil
	}
	// What was measured is shown, whatever else failed.
	text := report(name, machine(b), tables)
	fmt.Print(text)
	if !whole || len(failed) > 0 {
		return errors.Join(failed...)
	}
	dir := filepath.Join(b.root, "docs", "benchmarks")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644)
}
