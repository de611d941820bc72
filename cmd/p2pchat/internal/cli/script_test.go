package cli_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"p2pchat/cmd/p2pchat/internal/cli"
	"p2pchat/cmd/p2pchat/internal/scripttest"
)

// TestMain lets the test binary be the program, with a fake network, so that
// scripts run it as processes with arguments, streams, signals and exit codes.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"p2pchat": func() {
			os.Exit(cli.Main(context.Background(), fakeDeps(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
		},
		"big": func() { // BYTES: that many letters and a newline
			n, err := strconv.Atoi(os.Args[1])
			if err != nil {
				panic(err)
			}
			fmt.Println(strings.Repeat("x", n))
		},
		"numbers": func() { // N: the numbers from 1 to N, one per line
			n, err := strconv.Atoi(os.Args[1])
			if err != nil {
				panic(err)
			}
			for i := range n {
				fmt.Println(i + 1)
			}
		},
	})
}

func TestScript(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir:                 filepath.Join("testdata", "script"),
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		UpdateScripts:       os.Getenv("UPDATE_SCRIPTS") != "",
		Setup: func(env *testscript.Env) error {
			demo, err := filepath.Abs("../../../../captures/samples/demo.pcapng")
			if err != nil {
				return err
			}
			env.Setenv("DEMO", demo)                                     // a capture with keys
			env.Setenv("BIN", filepath.SplitList(env.Getenv("PATH"))[0]) // a path with nothing but our programs
			env.Setenv("HOME", filepath.Join(env.WorkDir, "home"))
			env.Setenv("TZ", "UTC")
			env.Setenv("P2PCHAT_DATA", filepath.Join(env.WorkDir, "data"))
			return nil
		},
		Cmds: scripttest.Commands(map[string]func(*testscript.TestScript, bool, []string){
			"lastline":  lastLine,
			"untilfile": untilFile,
		}),
	})
}

// lastLine compares the last line of standard error with a file.
func lastLine(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: lastline file")
	}
	lines := strings.Split(strings.TrimSuffix(ts.ReadFile("stderr"), "\n"), "\n")
	want := strings.ReplaceAll(strings.TrimSuffix(ts.ReadFile(args[0]), "\n"), "$WORK", ts.Getenv("WORK"))
	if got := lines[len(lines)-1]; got != want {
		ts.Fatalf("last line of standard error:\n%s\nwant:\n%s", got, want)
	}
}

// untilFile waits for a file: untilfile FILE.
func untilFile(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: untilfile file")
	}
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if _, err := os.Stat(ts.MkAbs(args[0])); err == nil {
			return
		}
	}
	ts.Fatalf("%s never came", args[0])
}
