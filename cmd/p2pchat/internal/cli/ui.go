package cli

import (
	"context"
	"log/slog"
	"sync"

	"p2pchat/cmd/p2pchat/internal/term"
	"p2pchat/node/api"
)

// runUI is bare p2pchat: first-run questions if there is no account, then the
// running node or one of our own, and the terminal UI on it.
func (a *app) runUI(ctx context.Context) error {
	if !term.IsTerminal(a.in) || !term.IsTerminal(a.out.w) {
		return usagef("p2pchat alone opens the terminal UI and needs a terminal: without one use p2pchat serve, or see p2pchat --help")
	}
	if a.asJSON {
		return usagef("the terminal UI has no --json: name a command (see p2pchat --help)")
	}
	dir, err := a.dataDir()
	if err != nil {
		return err
	}
	notices := &collected{}
	cfg := a.nodeConfig(dir, "off")
	cfg.Notify = notices.add
	if term.IsTerminal(a.err) {
		cfg.Logger = slog.New(slog.DiscardHandler) // the UI has the screen
	}
	if cfg.Password, err = a.ensureAccount(ctx, dir); err != nil {
		return err
	}
	s, err := a.open(ctx, cfg)
	if err != nil {
		return err
	}
	err = a.deps.TUI(ctx, s, TUIOptions{
		Version: a.deps.Version, Started: s.node != nil, Notices: notices.take(),
		Capture: func(ctx context.Context, file string, secrets bool, tell func(string)) (string, error) {
			return a.captureInUI(ctx, s, file, secrets, tell)
		},
	})
	if ctx.Err() != nil {
		err = nil // stopped as asked, from outside
	}
	queued := 0
	if s.node != nil {
		if status, statusErr := s.Status(context.WithoutCancel(ctx)); statusErr == nil && status.Queued != nil {
			queued = *status.Queued
		}
	}
	err = first(err, a.leave(ctx, s))
	if queued > 0 {
		a.notef("%d %s queued: they go out when this node runs and their recipients are there",
			queued, plural(queued, "message stays", "messages stay"))
	}
	return err
}

// ensureAccount has the first-run screen make an account if there is none, and
// returns the password chosen there, nil if it asked for nothing.
func (a *app) ensureAccount(ctx context.Context, dir string) (password []byte, err error) {
	exists, _, err := a.deps.Backend.AccountState(dir)
	if err != nil || exists {
		return nil, err
	}
	created, err := a.deps.FirstRun(ctx, func(ctx context.Context, name string, chosen []byte) error {
		if len(chosen) == 0 {
			chosen = nil
		}
		_, err := a.deps.Backend.CreateAccount(ctx, dir, name, chosen)
		if err == nil {
			password = chosen
		}
		return err
	})
	if err == nil && !created {
		err = api.Errorf(api.CodeNoAccount, "no account was made")
	}
	return password, err
}

// collected keeps sentences until the UI can show them.
type collected struct {
	mu        sync.Mutex
	sentences []string
}

func (c *collected) add(sentence string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sentences = append(c.sentences, sentence)
}

func (c *collected) take() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]string{}, c.sentences...)
}

func plural(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}
