package cli

import (
	"context"
	"os"
	"path/filepath"
	"time"

	"p2pchat/node/api"
)

const (
	// patience bounds how long a command tries to attach to a node that is
	// starting or stopping, since two commands may start at the same time.
	patience = 5 * time.Second
	// retryEvery is the pause between two such tries.
	retryEvery = 50 * time.Millisecond
	// askTimes is how often a person may mistype the password.
	askTimes = 3
	// idleNote is after how long we say why the command does not end.
	idleNote = time.Second
)

// client is a service of another process.
type client interface {
	api.Service
	Close() error
}

// session is a service with what it takes to leave it.
type session struct {
	api.Service
	node   Node   // if this process runs it
	client client // else
}

// withServiceOnce runs f with the running node of the account, or one started
// for the time of f and of whoever attaches to it meanwhile.
func (a *app) withServiceOnce(ctx context.Context, f func(ctx context.Context, s *session) error) error {
	dir, err := a.dataDir()
	if err != nil {
		return err
	}
	s, err := a.open(ctx, a.nodeConfig(dir, "off"))
	if err != nil {
		return err
	}
	err = f(ctx, s)
	return first(err, a.leave(ctx, s))
}

// first is the first error that is one.
func first(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// withReader runs f with the running node, or the store if there is none.
func (a *app) withReader(ctx context.Context, f func(ctx context.Context, r api.Reader) error) error {
	return a.withNodeOrStore(ctx,
		func(ctx context.Context, svc api.Service) error { return f(ctx, svc) },
		func(ctx context.Context, r Reader) error { return f(ctx, r) })
}

// withNodeOrStore runs node with the running node, or store if there is none.
func (a *app) withNodeOrStore(ctx context.Context,
	node func(context.Context, api.Service) error, store func(context.Context, Reader) error,
) error {
	dir, err := a.dataDir()
	if err != nil {
		return err
	}
	c, err := dial(ctx, dir)
	if err == nil {
		err = first(node(ctx, c), c.Close())
		if !api.IsCode(err, api.CodeNoNode) || a.out.wrote {
			return err
		}
	}
	if !api.IsCode(err, api.CodeNoNode) {
		return err
	}
	return a.withStore(ctx, store)
}

// withStore runs f with the store alone, whether a node runs or not.
func (a *app) withStore(ctx context.Context, f func(context.Context, Reader) error) error {
	dir, err := a.dataDir()
	if err != nil {
		return err
	}
	if err := a.needAccount(dir); err != nil {
		return err
	}
	r, err := a.deps.Backend.OpenReader(ctx, dir)
	if err != nil {
		return err
	}
	return first(f(ctx, r), r.Close())
}

// needAccount refuses a directory without an account.
func (a *app) needAccount(dir string) error {
	exists, _, err := a.deps.Backend.AccountState(dir)
	if err == nil && !exists {
		err = noAccount(dir)
	}
	return err
}

func noAccount(dir string) error {
	if _, err := os.Stat(filepath.Join(dir, "p2pchat.db")); err == nil {
		return api.Errorf(api.CodeNoAccount,
			"%s has no account.key, though it has messages (p2pchat.db): put the key back from a copy, or use another directory with --data", dir)
	}
	return api.Errorf(api.CodeNoAccount,
		"there is no account in %s yet: make one with p2pchat init --name 'alice', or start p2pchat in a terminal", dir)
}

func (a *app) nodeConfig(dir, level string) NodeConfig {
	return NodeConfig{Dir: dir, Version: a.deps.Version, Logger: a.logger(level), Notify: func(string) {}}
}

// open attaches to the account's node or starts it. When another process
// holds the account but answers nobody yet, or no more, it tries for a while.
func (a *app) open(ctx context.Context, cfg NodeConfig) (*session, error) {
	deadline := time.Now().Add(patience)
	for {
		c, err := dial(ctx, cfg.Dir)
		if err == nil {
			return &session{Service: c, client: c}, nil
		}
		if !api.IsCode(err, api.CodeNoNode) {
			return nil, err
		}
		n, err := a.start(ctx, &cfg)
		if err == nil {
			return &session{Service: n, node: n}, nil
		}
		if !api.IsCode(err, api.CodeInUse) || time.Now().After(deadline) {
			return nil, err
		}
		if err := pause(ctx, retryEvery); err != nil {
			return nil, err
		}
	}
}

// start starts the account's node in this process and keeps the password in
// cfg for another try.
func (a *app) start(ctx context.Context, cfg *NodeConfig) (Node, error) {
	exists, locked, err := a.deps.Backend.AccountState(cfg.Dir)
	if err != nil {
		return nil, err
	}
	if !exists {
		return nil, noAccount(cfg.Dir)
	}
	for try := 1; ; try++ {
		again := false
		if locked && cfg.Password == nil {
			if cfg.Password, again, err = a.unlockPassword(ctx); err != nil {
				return nil, err
			}
		}
		n, err := a.deps.Backend.Start(ctx, *cfg)
		if api.IsCode(err, api.CodeWrongPassword) && again && try < askTimes {
			a.notef("%s", api.AsError(err).Message)
			cfg.Password = nil
			continue
		}
		return n, err
	}
}

// leave ends the session. A node of ours goes on until whoever attached to it
// has left, or the person interrupts.
func (a *app) leave(ctx context.Context, s *session) error {
	if s.client != nil {
		return s.client.Close()
	}
	note := time.AfterFunc(idleNote, func() {
		a.notef("other commands still use this node, which stops when they have ended (interrupt to stop it now)")
	})
	err := s.node.WaitIdle(ctx)
	note.Stop()
	if ctx.Err() != nil || api.IsCode(err, api.CodeNoNode) {
		err = nil // stopped early, as asked
	}
	return first(err, s.node.Close())
}

// pause waits, unless ctx ends.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
