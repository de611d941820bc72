package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// program measures the file and how long it takes to do next to nothing.
func program(ctx context.Context, b *bench) (t table, err error) {
	size := row{What: "size of the binary", Unit: "MB"}
	start := row{What: "`version`, start to end", Unit: "ms"}
	for i := range b.runs {
		yard, err1 := fileSize(os.Getenv(bareEnv))
		subj, err2 := fileSize(os.Getenv(binaryEnv))
		if err := errors.Join(err1, err2); err != nil {
			return t, err
		}
		if i == 0 { // does not change
			size.Subject, size.Yardstick = []float64{subj}, []float64{yard}
		}
		subj, err1 = startAndEnd(ctx, os.Getenv(binaryEnv), "version")
		yard, err2 = startAndEnd(ctx, os.Getenv(bareEnv), "-h")
		if err := errors.Join(err1, err2); err != nil {
			return t, err
		}
		start.Subject, start.Yardstick = append(start.Subject, subj), append(start.Yardstick, yard)
	}
	t.Rows = []row{size, start}
	t.Notes = []string{"Built as a release is (`-trimpath`, stripped, no cgo). Yardstick: the bare host of\n" +
		"`node/bench/bare`, printing its usage. For the start of a node see above."}
	return t, nil
}

// startAndEnd is how long a program takes that says one thing, milliseconds.
func startAndEnd(ctx context.Context, bin, arg string) (float64, error) {
	begun := time.Now()
	out, err := exec.CommandContext(ctx, bin, arg).CombinedOutput()
	took := millis(time.Since(begun))
	if err != nil {
		return 0, fmt.Errorf("%s %s: %w: %s", filepath.Base(bin), arg, err, out)
	}
	return took, nil
}

func fileSize(name string) (float64, error) {
	info, err := os.Stat(name)
	if err != nil {
		return 0, err
	}
	return float64(info.Size()) / 1e6, nil
}
