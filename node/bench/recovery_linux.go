package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"p2pchat/node/nodetest/lab"
)

// recovery has the lab's stories of faults told and collects how long each
// took to end well. There is one set of faults; the tests own it.
func recovery(ctx context.Context, b *bench) (t table, err error) {
	if err := inLab("recovery", func(t testing.TB) { lab.Require(t) }); err != nil {
		return t, err
	}
	tests := filepath.Join(b.root, "cmd", "p2pchat", "labtest")
	bin, report := filepath.Join(b.dir, "labtest"), filepath.Join(b.dir, "recovery.jsonl")
	run := func(name string, args ...string) error {
		cmd := exec.CommandContext(ctx, name, args...)
		cmd.Dir = tests
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "P2PCHAT_LAB_REPORT="+report, fmt.Sprintf("P2PCHAT_LAB_RUNS=%d", b.runs))
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w\n%s", filepath.Base(name), err, bytes.TrimSpace(out))
		}
		return nil
	}
	if err := run("go", "test", "-c", "-o", bin, "."); err != nil {
		return t, err
	}
	failed := run(bin, "-test.run", "^TestFaults$", "-test.parallel", "12", "-test.timeout", "8m")
	rows, err := recoveries(report)
	if err != nil {
		return t, errors.Join(err, failed)
	}
	t.Rows = rows
	t.Notes = []string{"From the end of the fault until both are online for each other and have, in order, what was said\n" +
		"meanwhile; `TestFaults` of the lab, side by side on this machine, short faults. The aim is the median's."}
	if failed != nil {
		// The rest is worth telling, and this too.
		t.Notes = append(t.Notes, "Not all runs ended well:\n\n```\n"+tail(failed.Error(), 30)+"\n```")
	}
	return t, nil
}

// recoveries reads the lab's report.
func recoveries(name string) ([]row, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var rows []row
	index := map[string]int{}
	for s := bufio.NewScanner(f); s.Scan(); {
		var fig lab.Figure
		if err := json.Unmarshal(s.Bytes(), &fig); err != nil {
			return nil, fmt.Errorf("report of the lab: %w", err)
		}
		fault, ok := strings.CutPrefix(fig.What, "recovered from ")
		if !ok {
			continue
		}
		// TestFaults/TRANSPORT/FAULT/runs/N
		what := fault + ", " + strings.Split(fig.Test, "/")[1]
		i, ok := index[what]
		if !ok {
			i = len(rows)
			index[what] = i
			rows = append(rows, row{What: what, Unit: "s", Limit: 3})
		}
		rows[i].Subject = append(rows[i].Subject, fig.Seconds)
	}
	sortRows(rows)
	return rows, nil
}

func tail(text string, lines int) string {
	all := strings.Split(text, "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}
