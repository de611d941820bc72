package cli

import (
	"context"
	"io"
	"log/slog"

	"p2pchat/captures"
	"p2pchat/node/api"
)

// Deps is what the command line needs from the rest of the program. main
// wires it, tests fake it; this package knows neither node nor network.
type Deps struct {
	// Version is printed by `version` and shown in the terminal UI.
	Version string
	// Backend opens accounts and starts nodes. Required.
	Backend Backend
	// TUI runs the terminal UI on the process's terminal until its user quits
	// or ctx ends. Bare `p2pchat` needs it.
	TUI func(ctx context.Context, svc api.Service, opts TUIOptions) error
	// FirstRun asks for a username and a password (none if empty) and hands
	// them to create until that succeeds; it shows create's errors. It reports
	// false if the user gave up.
	FirstRun func(ctx context.Context, create CreateFunc) (created bool, err error)
	// Demo runs the demonstration and returns its table. Together with an
	// error, which may be one of package captures, it may return the part that
	// was done. nil: there is no `demo`.
	Demo func(ctx context.Context, opts DemoOptions) (DemoResult, error)
	// Capture runs a capture; nil means captures.Run.
	Capture func(ctx context.Context, opts captures.Options) (captures.Stats, error)
}

// CreateFunc makes the account; an empty password means none.
type CreateFunc func(ctx context.Context, name string, password []byte) error

// TUIOptions is what the terminal UI is told at its start.
type TUIOptions struct {
	Version string
	// Started tells that this process runs the node, so that leaving the UI
	// may stop it.
	Started bool
	// Notices are the sentences the node gave while it started.
	Notices []string
	// Capture records the node's packets into a file until ctx ends, and
	// returns one sentence about what it recorded. It calls tell, which returns
	// at once, with a few words on how far it is. With secrets the file can be
	// read: see [api.Service.CaptureSecrets].
	Capture func(ctx context.Context, file string, secrets bool, tell func(string)) (summary string, err error)
}

// Backend opens accounts and starts nodes. dir is the data directory, an
// absolute path that need not exist yet. Errors are *api.Error where a person
// can act on them.
type Backend interface {
	// CheckDefaultDir refuses a data directory nobody chose when it lies on a
	// network file system (network-filesystem). It is not asked about a
	// directory that was named by --data or the environment.
	CheckDefaultDir(dir string) error
	// AccountState tells whether dir holds an account and whether its key
	// needs a password. A directory that does not exist holds none.
	AccountState(dir string) (exists, locked bool, err error)
	// CreateAccount makes an account in dir, creating directories (0700) as
	// needed; nil password: the key is not encrypted. Errors: account-exists
	// (nothing is touched), bad-text, too-long.
	CreateAccount(ctx context.Context, dir, name string, password []byte) (api.Identity, error)
	// ChangePassword has the key encrypted to password, nil for not at all; old is
	// the password until now. A node may run meanwhile. Errors: no-account,
	// wrong-password, damaged.
	ChangePassword(dir string, old, password []byte) error
	// Repair makes a new database of what can be read of a damaged one, which it
	// keeps; name is for a database that does not tell the account's. Errors:
	// no-account, wrong-password, in-use, newer-database, disk-full, usage.
	Repair(ctx context.Context, dir string, password []byte, name string) (api.Repair, error)
	// ArchiveLocked tells whether a file that ExportAccount wrote needs a password.
	// Errors: usage for no file.
	ArchiveLocked(file string) (bool, error)
	// ImportAccount makes an account in dir, which is empty or is not there, from
	// what ExportAccount wrote; password is ignored if the file is not encrypted.
	// Errors: account-exists (nothing is touched), wrong-password, damaged,
	// newer-database, in-use, disk-full.
	ImportAccount(ctx context.Context, dir, file string, password []byte) (api.Identity, error)
	// VerifyTranscript checks what Export wrote. Errors: damaged.
	VerifyTranscript(file io.Reader) (api.Transcript, error)
	// OpenReader opens the store alone, without key or node, also while a node
	// runs on it. Errors: no-account, newer-database, damaged.
	OpenReader(ctx context.Context, dir string) (Reader, error)
	// Start unlocks the account, starts its node and the socket others attach
	// to, and returns when both are ready. Errors: no-account, wrong-password,
	// in-use, newer-database, damaged, usage (a bad address or interface).
	Start(ctx context.Context, cfg NodeConfig) (Node, error)
}

// Reader reads the store of an account whose node is not running.
type Reader interface {
	api.Reader
	// Status describes the account as stored: Running is false, Addrs and
	// Connections are empty.
	Status(ctx context.Context) (api.Status, error)
	// Export writes what is kept of a conversation, with its signatures: format is
	// text, jsonl or html.
	Export(ctx context.Context, target, format string, w io.Writer) error
	// ExportAccount writes key and store into a new file, encrypted to password
	// unless that is empty. Errors: usage for a file that exists, disk-full,
	// no-permission.
	ExportAccount(ctx context.Context, file string, password []byte) (api.AccountFile, error)
	io.Closer
}

// NodeConfig says how to start a node. The zero value of every field but Dir
// is a sensible default.
type NodeConfig struct {
	// Dir is the data directory, absolute.
	Dir string
	// Password unlocks the key; nil if it is not locked.
	Password []byte
	// Listen are the multiaddrs to listen on; none: port 47700 over QUIC and
	// TCP, or a free one if that is taken. Given: only their transports, for
	// dialling too.
	Listen []string
	// Interfaces restricts the node to these network interfaces.
	Interfaces []string
	// Peers are multiaddrs to dial, kept as static peers while the node runs.
	Peers []string
	// NoMDNS switches discovery by multicast off.
	NoMDNS bool
	// Version is what the node tells in its status.
	Version string
	// Logger is never nil.
	Logger *slog.Logger
	// Notify is told sentences a person should read, such as that the port
	// was taken and which one is used; never nil, called from any goroutine,
	// returns at once.
	Notify func(sentence string)
}

// Node is a node that runs in this process.
type Node interface {
	api.Service
	// Done is closed when the node has stopped, for whatever reason.
	Done() <-chan struct{}
	// WaitIdle returns when no client is attached to the node's socket, or
	// with ctx's error. From its return on no client is let in until Close.
	WaitIdle(ctx context.Context) error
	// Close stops the node cleanly, socket included, and returns what went
	// wrong while it ran or stopped. It may be called more than once.
	Close() error
}

// DemoOptions says how to run the demonstration.
type DemoOptions struct {
	// File is the capture to write; "" for the default place.
	File string
	// Say is one more line for the client to say; "" for none.
	Say string
	// Progress is told sentences about what is being done, Logger is its
	// nodes'; neither is nil.
	Progress func(sentence string)
	Logger   *slog.Logger
}

// DemoResult is what the demonstration found.
type DemoResult struct {
	Rows []DemoRow `json:"rows"`
	// File is the capture, "" if none could be written.
	File string `json:"file"`
	// Success tells that every row's observation is the expected one.
	Success bool `json:"success"`
	// Hints say how to open the file and which display filters to try.
	Hints []string `json:"hints"`
}

// DemoRow is one line of the assignment's table.
type DemoRow struct {
	Transport string `json:"transport"` // quic-v1 or tcp
	Room      bool   `json:"room"`      // said in the room, not to one person
	From      string `json:"from"`      // whose input it is
	To        string `json:"to"`        // whose log was observed
	Input     string `json:"input"`
	Expected  string `json:"expected"`
	Observed  string `json:"observed"`
	Result    string `json:"result"` // Success or Failure
}
