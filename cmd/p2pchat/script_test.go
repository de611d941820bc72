package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"p2pchat/node/api"
)

// TestMain lets the test binary be the program itself.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"p2pchat": func() { os.Exit(run()) }})
}

// TestScript runs the real program over real accounts, stores and sockets.
// Nodes of different accounts meet over loopback, by address and without
// multicast: what the machine's network holds is none of these tests'.
func TestScript(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir:                 filepath.Join("testdata", "script"),
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("HOME", filepath.Join(env.WorkDir, "home"))
			env.Setenv("TZ", "UTC")
			env.Setenv("SERVE", "/ip4/127.0.0.1/tcp/0")
			return nil
		},
		Condition: func(name string) (bool, error) {
			if name == "root" {
				return os.Geteuid() == 0, nil
			}
			return false, fmt.Errorf("unknown condition %q", name)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exit":  exitCode,
			"until": until,
			"addr":  address,
			"id":    messageID,
		},
	})
}

// exitCode runs a program and checks its exit code: exit CODE PROGRAM ARGS…
func exitCode(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exit code program args...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	if e, ok := err.(interface{ ExitCode() int }); ok {
		got = e.ExitCode()
	} else if err != nil {
		ts.Fatalf("%v", err)
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// until runs a program again and again until its standard output matches a
// regular expression: until REGEXP PROGRAM ARGS…
func until(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: until regexp program args...")
	}
	want, err := regexp.Compile(args[0])
	ts.Check(err)
	// Generous: the machine may be busy with everything else.
	for deadline := time.Now().Add(2 * time.Minute); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if err := ts.Exec(args[1], args[2:]...); err == nil && want.MatchString(ts.ReadFile("stdout")) {
			return
		}
	}
	ts.Fatalf("%s never printed %q", args[1], args[0])
}

// address waits for the node of a data directory and sets $VAR to its address,
// $VAR_BARE to that without the peer ID, and $VAR_ID to the peer ID:
// addr VAR DIR
func address(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: addr var dir")
	}
	until(ts, false, []string{`"running":true`, "p2pchat", "status", "--json", "--data", args[1]})
	var status api.Status
	ts.Check(json.Unmarshal([]byte(ts.ReadFile("stdout")), &status))
	if len(status.Addrs) == 0 {
		ts.Fatalf("%s has no address", args[1])
	}
	bare, id, _ := strings.Cut(status.Addrs[0], "/p2p/")
	ts.Setenv(args[0], status.Addrs[0])
	ts.Setenv(args[0]+"_BARE", bare)
	ts.Setenv(args[0]+"_ID", id)
}

// messageID sets $VAR to the ID in the object that was printed last, and $VAR_SHORT
// to its first digits: id VAR
func messageID(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: id var")
	}
	var receipt api.Receipt
	ts.Check(json.Unmarshal([]byte(ts.ReadFile("stdout")), &receipt))
	if len(receipt.ID) < api.MinID {
		ts.Fatalf("no ID was printed")
	}
	ts.Setenv(args[0], receipt.ID)
	ts.Setenv(args[0]+"_SHORT", receipt.ID[:api.MinID])
}
