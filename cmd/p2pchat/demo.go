package main

import (
	"context"

	"p2pchat/cmd/p2pchat/internal/cli"
	"p2pchat/cmd/p2pchat/internal/demo"
)

// runDemo is the demonstration in the words of the command line.
func runDemo(ctx context.Context, o cli.DemoOptions) (cli.DemoResult, error) {
	r, err := demo.Run(ctx, demo.Options{
		File: o.File, Say: o.Say, Version: version, Progress: o.Progress, Logger: o.Logger,
	})
	out := cli.DemoResult{Rows: []cli.DemoRow{}, File: r.File, Success: len(r.Rows) > 0, Hints: append([]string{}, r.Hints...)}
	for _, row := range r.Rows {
		result := "Success"
		if !row.Success() {
			result, out.Success = "Failure", false
		}
		out.Rows = append(out.Rows, cli.DemoRow{
			Transport: row.Transport, Room: row.Room, From: row.From, To: row.To,
			Input: row.Input, Expected: row.Expected, Observed: row.Observed, Result: result,
		})
	}
	return out, err
}
