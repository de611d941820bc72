package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"time"
)

// program measures the file and how long it takes to do next to nothing.
func program(ctx context.Context, b *bench) (t table, err error) {
	size := row{What: "size of the binary", Unit: "MB"}
	start := row{What: "`version`, start to end", Unit: "ms"}
	for i := range b.runs {
		yard, err1 := fileSize(os.Getenv(bareEnv))
		subj, err2 := fileSize(os.Getenv(binaryEnv))
		if err1 != nil || err2 != nil {
			return t, fmt.Errorf("size of the programs: %w, %w", err1, err2)
		}
		if i == 0 { // does not change
			size.Subject, size.Yardstick = []float64{subj}, []float64{yard}
		}
		for what, to := range map[string]*[]float64{"version": &start.Subject, "-h": &start.Yardstick} {
			bin := os.Getenv(binaryEnv)
			if what == "-h" {
				bin = os.Getenv(bareEnv)
			}
			begun := time.Now()
			cmd := exec.CommandContext(ctx, bin, what)
			if out, err := cmd.CombinedOutput(); err != nil && !bytes.Contains(out, []byte("Usage")) {
				return t, fmt.Errorf("%s %s: %w: %s", bin, what, err, out)
			}
			*to = append(*to, millis(time.Since(begun)))
		}
	}
	t.Rows = []row{size, start}
	t.Notes = []string{"Built as a release is (`-trimpath`, stripped, no cgo). Yardstick: the bare host of\n" +
		"`node/bench/bare`, printing its usage. For the start of a node see above."}
	return t, nil
}

func fileSize(name string) (float64, error) {
	info, err := os.Stat(name)
	if err != nil {
		return 0, err
	}
	return float64(info.Size()) / 1e6, nil
}
