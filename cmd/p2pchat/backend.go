package main

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"syscall"

	"p2pchat/cmd/p2pchat/internal/cli"
	"p2pchat/node"
	"p2pchat/node/api"
	"p2pchat/node/localapi"
)

// backend gives the command line accounts and nodes.
type backend struct{}

func (backend) CheckDefaultDir(dir string) error { return node.CheckDefaultDir(dir) }

func (backend) AccountState(dir string) (exists, locked bool, err error) {
	return node.AccountState(dir)
}

func (backend) CreateAccount(ctx context.Context, dir, name string, password []byte) (api.Identity, error) {
	return node.CreateAccount(ctx, dir, name, password)
}

func (backend) ChangePassword(dir string, old, password []byte) error {
	return node.ChangePassword(dir, old, password)
}

func (backend) Repair(ctx context.Context, dir string, password []byte, name string) (api.Repair, error) {
	return node.Repair(ctx, dir, password, name)
}

func (backend) ArchiveLocked(file string) (bool, error) { return node.ArchiveLocked(file) }

func (backend) ImportAccount(ctx context.Context, dir, file string, password []byte) (api.Identity, error) {
	return node.ImportAccount(ctx, dir, file, password)
}

func (backend) VerifyTranscript(file io.Reader) (api.Transcript, error) {
	return node.VerifyTranscript(file)
}

func (backend) OpenReader(ctx context.Context, dir string) (cli.Reader, error) {
	return node.OpenReader(ctx, dir, version)
}

// Start unlocks the account and starts its node and its socket.
func (backend) Start(ctx context.Context, cfg cli.NodeConfig) (cli.Node, error) {
	listen, err := node.ParseAddrs("--listen", cfg.Listen)
	if err != nil {
		return nil, api.Errorf(api.CodeUsage, "%w", err)
	}
	peers, err := node.ParseAddrs("--peer", cfg.Peers)
	if err != nil {
		return nil, api.Errorf(api.CodeUsage, "%w", err)
	}
	lock, key, err := node.Unlock(cfg.Dir, cfg.Password)
	if err != nil {
		return nil, err
	}
	n, err := node.Start(ctx, node.Config{
		Dir: cfg.Dir, Key: key, Version: cfg.Version, Listen: listen, Interfaces: cfg.Interfaces, Peers: peers,
		NoMDNS: cfg.NoMDNS, Logger: cfg.Logger, Notify: cfg.Notify,
	})
	if err != nil {
		return nil, errors.Join(cannotListen(err), lock.Release())
	}
	socket, err := localapi.Listen(ctx, cfg.Dir)
	if err != nil {
		return nil, errors.Join(err, n.Close(), lock.Release())
	}
	r := &running{Node: n, server: localapi.NewServer(n, cfg.Logger), lock: lock}
	r.serve(socket)
	return r, nil
}

// cannotListen tells an address that is right but not to be had on this
// machine now from one that is wrong.
func cannotListen(err error) error {
	const (
		wsaEACCES        = syscall.Errno(10013) // Windows, port bound exclusively
		wsaEADDRINUSE    = syscall.Errno(10048) // Windows
		wsaEADDRNOTAVAIL = syscall.Errno(10049) // Windows
	)
	switch {
	case errors.Is(err, syscall.EADDRINUSE), errors.Is(err, wsaEADDRINUSE), errors.Is(err, wsaEACCES):
		return api.Errorf(api.CodeInternal, "the port is taken by another program: %w", err)
	case errors.Is(err, syscall.EADDRNOTAVAIL), errors.Is(err, wsaEADDRNOTAVAIL):
		return api.Errorf(api.CodeInternal, "this machine does not have the address: %w", err)
	}
	return err
}

// running is a node with its socket and its lock.
type running struct {
	*node.Node
	server *localapi.Server
	lock   *node.Lock

	stopServing context.CancelFunc
	served      chan struct{} // closed when the socket is gone
	serveErr    error

	once sync.Once
	err  error
}

// serve offers the node on socket until Close, or until the node stops by
// itself.
func (r *running) serve(socket net.Listener) {
	ctx, cancel := context.WithCancel(context.Background()) //nolint:contextcheck // lives as long as the node, not as long as its start
	r.stopServing, r.served = cancel, make(chan struct{})
	go func() { // ends with the node or Close; Close waits for it
		defer close(r.served)
		go func() {
			select {
			case <-r.Node.Done():
				cancel()
			case <-ctx.Done():
			}
		}()
		r.serveErr = r.server.Serve(ctx, socket)
	}()
}

// WaitIdle returns when no client is attached.
func (r *running) WaitIdle(ctx context.Context) error { return r.server.Drain(ctx) }

// Close stops socket, node and lock, in that order.
func (r *running) Close() error {
	r.once.Do(func() {
		r.stopServing()
		<-r.served
		r.err = errors.Join(r.serveErr, r.Node.Close(), r.lock.Release())
	})
	return r.err
}
