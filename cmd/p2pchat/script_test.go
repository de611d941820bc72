package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"p2pchat/cmd/p2pchat/internal/scripttest"
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
		Cmds: scripttest.Commands(map[string]func(*testscript.TestScript, bool, []string){
			"addr": address,
			"id":   messageID,
		}),
	})
}

// address waits for the node of a data directory and sets $VAR to its address,
// $VAR_BARE to that without the peer ID, and $VAR_ID to the peer ID:
// addr VAR DIR
func address(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: addr var dir")
	}
	scripttest.Until(ts, false, []string{`"running":true`, "p2pchat", "status", "--json", "--data", args[1]})
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
