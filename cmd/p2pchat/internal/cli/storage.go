package cli

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"p2pchat/cmd/p2pchat/internal/term"
	"p2pchat/node/api"
)

// noLimit takes a limit away.
const noLimit = "none"

func (a *app) storageCmd() *cobra.Command {
	var age, size string
	var given func(flag string) bool
	cmd := &cobra.Command{
		Use:   "storage [--max-age AGE] [--max-size SIZE]",
		Short: "Show what the history takes, and limit it",
		Long: `Show what the history takes on this machine, and limit how much of it is kept here.
By default all of it is.

Messages beyond a limit are removed, the oldest first over all conversations, and do not
come back. Others keep theirs. What somebody has yet to get of you stays, and so do
contacts, the members and rules of rooms, and the latest of each person. A limit holds
until --max-age none or --max-size none takes it away. As long as nobody's clock confirms
this machine's, nothing grows older than a day after the latest message.

AGE is a duration such as 720h or 30d, SIZE bytes, or such as 500M or 2G.`,
		Example: `  p2pchat storage
  p2pchat storage --max-age '90d' --max-size 1G
  p2pchat storage --max-size none --json`,
		Args: none,
		RunE: a.run(func(ctx context.Context, _ []string) error {
			if !given("max-age") && !given("max-size") {
				return a.withReader(ctx, func(ctx context.Context, r api.Reader) error {
					s, err := r.Storage(ctx)
					return first(err, a.printStorage(s, err))
				})
			}
			return a.withService(ctx, func(ctx context.Context, svc api.Service) error {
				s, err := svc.Storage(ctx)
				if err != nil {
					return err
				}
				limits := s.Retention
				if given("max-age") {
					err = parseAge(age, &limits)
				}
				if given("max-size") {
					err = first(err, parseSize(size, &limits))
				}
				if err != nil {
					return err
				}
				s, err = svc.SetRetention(ctx, limits)
				return first(err, a.printStorage(s, err))
			})
		}),
	}
	given = cmd.Flags().Changed
	cmd.Flags().StringVar(&age, "max-age", "", "keep no message older than `AGE`, or none for no limit")
	cmd.Flags().StringVar(&size, "max-size", "", "keep the database below `SIZE`, or none for no limit")
	return cmd
}

// parseAge reads --max-age into r.
func parseAge(s string, r *api.Retention) error {
	if s == noLimit {
		r.MaxAge = nil
		return nil
	}
	d, err := time.ParseDuration(s)
	if days, ok := strings.CutSuffix(s, "d"); ok {
		var n int64
		n, err = strconv.ParseInt(days, 10, 16)
		d = time.Duration(n) * 24 * time.Hour
	}
	if err != nil || d <= 0 {
		return usagef("--max-age %q is no age such as 720h or 30d, nor none", s)
	}
	r.MaxAge = &api.Duration{Duration: d}
	return nil
}

// parseSize reads --max-size into r.
func parseSize(s string, r *api.Retention) error {
	if s == noLimit {
		r.MaxSize = nil
		return nil
	}
	digits, shift := strings.TrimRight(s, "KMGkmg"), 0
	switch strings.ToUpper(s[len(digits):]) {
	case "":
	case "K":
		shift = 10
	case "M":
		shift = 20
	case "G":
		shift = 30
	default:
		digits = ""
	}
	n, err := strconv.ParseInt(digits, 10, 32)
	if shift == 0 {
		n, err = strconv.ParseInt(digits, 10, 63)
	}
	if err != nil || n <= 0 {
		return usagef("--max-size %q is no size such as 500M or 2G, nor none", s)
	}
	n <<= shift
	r.MaxSize = &n
	return nil
}

// printStorage prints s unless getting it failed.
func (a *app) printStorage(s api.Storage, failed error) error {
	if failed != nil {
		return nil
	}
	if a.asJSON {
		return a.object(s)
	}
	age, size := noLimit, noLimit
	if s.MaxAge != nil {
		age = s.MaxAge.Short()
	}
	if s.MaxSize != nil {
		size = bytesText(*s.MaxSize)
	}
	if err := a.printf("on disk %s, of which %s are in use; limits: age %s, size %s\n", bytesText(s.Bytes), bytesText(s.Used), age, size); err != nil {
		return err
	}
	t := &term.Table{Header: []string{"CONVERSATION", "EVENTS", "SIZE", "SINCE"}}
	for _, c := range s.Conversations {
		name, since := c.Name, "-"
		if name == "" {
			name = c.ID[:min(len(c.ID), 12)]
		} else {
			name = placed(api.Place{Kind: c.Kind, Target: c.ID, Name: name})
		}
		if c.Oldest != nil {
			since = c.Oldest.Local().Format(time.DateOnly)
		}
		t.Rows = append(t.Rows, []string{name, strconv.Itoa(c.Events), bytesText(c.Bytes), since})
	}
	return a.table(t)
}

// bytesText is a number of bytes as a person reads it.
func bytesText(n int64) string {
	switch {
	case n >= 1<<30:
		return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
	case n >= 1<<20:
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	case n >= 1<<10:
		return fmt.Sprintf("%.1f KiB", float64(n)/(1<<10))
	}
	return fmt.Sprintf("%d B", n)
}
