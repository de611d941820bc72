package cli_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/gofrs/flock"

	"p2pchat/captures"
	"p2pchat/cmd/p2pchat/internal/cli"
	"p2pchat/node/api"
	"p2pchat/node/api/apitest"
	"p2pchat/node/localapi"
)

// What the fake program is told by its environment.
const (
	envPort    = "FAKE_PORT_TAKEN" // the port is taken
	envSlow    = "FAKE_SLOW_START" // how long the lock is held before the socket is there
	envCapture = "FAKE_CAPTURE"    // permission, unsupported, full or usage
	envDemo    = "FAKE_DEMO"       // mismatch or permission
	envNetwork = "FAKE_NETWORK"    // the default data directory is on a network
	envStore   = "FAKE_STORE"      // newer: the database is
)

// fakeDeps is the program around the command line: accounts are real files
// and sockets real sockets, but the network is one of apitest's.
func fakeDeps() cli.Deps {
	return cli.Deps{
		Version: "1.2.3-test",
		Backend: fakeBackend{},
		TUI:     fakeTUI,
		FirstRun: func(ctx context.Context, create cli.CreateFunc) (bool, error) {
			if os.Getenv("FAKE_FIRST_RUN") == "quit" {
				return false, nil
			}
			if err := create(ctx, "", nil); err == nil {
				return false, errors.New("an empty name was taken")
			}
			return true, create(ctx, "me", []byte("first-run"))
		},
		Demo:    fakeDemo,
		Capture: fakeCapture,
	}
}

// fakeTUI says what it sees and leaves.
func fakeTUI(ctx context.Context, svc api.Service, opts cli.TUIOptions) error {
	id, err := svc.Whoami(ctx)
	if err != nil {
		return err
	}
	if _, err := svc.Send(ctx, api.SendRequest{Target: "carol", Text: "while you were out"}); err != nil {
		return err
	}
	_, err = fmt.Printf("UI of %s, started=%v, version %s, notices %q\r\n", id.Name, opts.Started, opts.Version, opts.Notices)
	return err
}

type fakeBackend struct{}

type fakeAccount struct {
	Name     string `json:"name"`
	Password string `json:"password"`
}

func load(dir string) (acc fakeAccount, exists bool, err error) {
	b, err := os.ReadFile(filepath.Join(dir, "account.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return acc, false, nil
	}
	if err == nil {
		err = json.Unmarshal(b, &acc)
	}
	return acc, true, err
}

func (fakeBackend) CheckDefaultDir(dir string) error {
	if os.Getenv(envNetwork) != "" {
		return api.Errorf(api.CodeNetworkFilesystem, "%s is on a network file system: name a local directory with --data", dir)
	}
	return nil
}

func (fakeBackend) AccountState(dir string) (exists, locked bool, err error) {
	acc, exists, err := load(dir)
	return exists, acc.Password != "", err
}

func (fakeBackend) CreateAccount(_ context.Context, dir, name string, password []byte) (api.Identity, error) {
	if name == "" {
		return api.Identity{}, api.Errorf(api.CodeBadText, "a username cannot be empty")
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return api.Identity{}, err
	}
	b, err := json.Marshal(fakeAccount{name, string(password)})
	if err != nil {
		return api.Identity{}, err
	}
	if err := os.WriteFile(filepath.Join(dir, "account.json"), b, 0o600); err != nil {
		return api.Identity{}, err
	}
	return newWorld(name).me.Whoami(context.Background())
}

func (fakeBackend) ChangePassword(dir string, old, password []byte) error {
	acc, _, err := load(dir)
	if err != nil {
		return err
	}
	if acc.Password != string(old) {
		return api.Errorf(api.CodeWrongPassword, "wrong password")
	}
	acc.Password = string(password)
	b, err := json.Marshal(acc)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "account.json"), b, 0o600)
}

// Repair finds a database damaged that is called so, and asks for a name if that
// is empty.
func (fakeBackend) Repair(_ context.Context, dir string, password []byte, name string) (api.Repair, error) {
	acc, _, err := load(dir)
	if err != nil {
		return api.Repair{}, err
	}
	if acc.Password != string(password) {
		return api.Repair{}, api.Errorf(api.CodeWrongPassword, "wrong password")
	}
	kept := filepath.Join(dir, "damaged.db")
	b, err := os.ReadFile(kept)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return api.Repair{}, nil
	case string(b) == "noise\n":
		return api.Repair{Repaired: true, Kept: &kept}, nil
	case err == nil && len(b) == 0 && name == "":
		return api.Repair{}, api.Errorf(api.CodeUsage, "add --name NAME")
	}
	return api.Repair{Repaired: true, Kept: &kept, Events: 7, Dropped: 1, Contacts: 2, Rooms: 1, UnreadablePages: 3, RoomsLost: len(b)}, err
}

func (fakeBackend) OpenReader(_ context.Context, dir string) (cli.Reader, error) {
	acc, exists, err := load(dir)
	if err != nil {
		return nil, err
	}
	if !exists {
		return nil, api.Errorf(api.CodeNoAccount, "no account in %s", dir)
	}
	if os.Getenv(envStore) == "newer" {
		return nil, api.Errorf(api.CodeNewerDatabase, "the database was written by a newer p2pchat")
	}
	return fixture{newWorld(acc.Name)}, nil
}

func (fakeBackend) Start(ctx context.Context, cfg cli.NodeConfig) (cli.Node, error) {
	acc, exists, err := load(cfg.Dir)
	if err != nil {
		return nil, err
	}
	if !exists {
		return nil, api.Errorf(api.CodeNoAccount, "no account in %s", cfg.Dir)
	}
	if acc.Password != string(cfg.Password) {
		return nil, api.Errorf(api.CodeWrongPassword, "the password is wrong")
	}
	lock := flock.New(filepath.Join(cfg.Dir, "lock"))
	if ok, err := lock.TryLock(); err != nil || !ok {
		return nil, api.Errorf(api.CodeInUse, "another process uses %s", cfg.Dir)
	}
	if d, err := time.ParseDuration(os.Getenv(envSlow)); err == nil {
		select {
		case <-time.After(d):
		case <-ctx.Done():
			return nil, errors.Join(ctx.Err(), lock.Unlock())
		}
	}
	for _, addr := range cfg.Listen {
		if addr == "nonsense" {
			return nil, errors.Join(api.Errorf(api.CodeUsage, "--listen %q is no address", addr), lock.Unlock())
		}
	}
	if os.Getenv(envPort) != "" {
		cfg.Notify("port 47700 is taken: \x1b[31musing 47999")
	}
	cfg.Logger.Warn("a fake node starts", "listen", cfg.Listen, "interfaces", cfg.Interfaces, "peers", cfg.Peers, "no_mdns", cfg.NoMDNS)
	w := newWorld(acc.Name)
	l, err := localapi.Listen(ctx, cfg.Dir)
	if err != nil {
		return nil, errors.Join(err, lock.Unlock())
	}
	n := &fakeNode{FakeNode: w.me, server: localapi.NewServer(w.me, cfg.Logger), lock: lock, served: make(chan struct{})}
	serving, stop := context.WithCancel(context.WithoutCancel(ctx))
	n.stop = stop
	go func() { // ends with serving
		defer close(n.served)
		n.err = n.server.Serve(serving, l)
	}()
	return n, nil
}

type fakeNode struct {
	*apitest.FakeNode
	server *localapi.Server
	lock   *flock.Flock
	stop   context.CancelFunc
	served chan struct{}
	once   sync.Once
	err    error
}

func (n *fakeNode) Done() <-chan struct{}              { return n.Stopped() }
func (n *fakeNode) WaitIdle(ctx context.Context) error { return n.server.Drain(ctx) }

func (n *fakeNode) Close() error {
	n.once.Do(func() {
		n.stop()
		<-n.served
		n.err = errors.Join(n.err, n.lock.Unlock())
	})
	return n.err
}

// world is a LAN with bob, who is here, carol, who was, two called twin, and
// someone with a hostile name. Bob has a room dev, one with a hostile name, a
// hidden one, and those of [world.govern].
type world struct {
	lan *apitest.LAN
	me  *apitest.FakeNode
}

func newWorld(name string) world {
	lan := apitest.NewLAN()
	w := world{lan: lan, me: lan.Join(name)}
	bob := lan.Join("bob")
	carol := lan.Join("carol")
	lan.Join("twin")
	lan.Join("twin")
	lan.Join("evil\x1b[2J\u202eliame")
	for _, r := range []api.CreateRoomRequest{{Name: "dev"}, {Name: "evil\u200eliame"}, {Name: "cellar", Hidden: true}} {
		if _, err := bob.CreateRoom(context.Background(), r); err != nil {
			panic(err)
		}
	}
	w.govern(bob, carol)
	carol.SetOnline(false)
	w.me.SetVerified(bob.PeerID(), true)
	return w
}

// fixture is the store of an account whose node is not running: the people of
// its world, and fixed words at fixed times.
type fixture struct{ world }

func (fixture) Close() error { return nil }

func (f fixture) Export(ctx context.Context, target, format string, w io.Writer) error {
	messages, err := f.me.Log(ctx, api.LogQuery{Target: target})
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "%s with %d messages\n", format, len(messages))
	return err
}

// ExportAccount's file begins with its password.
func (f fixture) ExportAccount(ctx context.Context, file string, password []byte) (api.AccountFile, error) {
	id, err := f.me.Whoami(ctx)
	if err != nil {
		return api.AccountFile{}, err
	}
	content := string(password) + ":" + id.Name
	return api.AccountFile{File: file, PeerID: id.PeerID, Name: id.Name, Size: int64(len(content))}, os.WriteFile(file, []byte(content), 0o600)
}

func (fakeBackend) ArchiveLocked(file string) (bool, error) {
	b, err := os.ReadFile(file)
	return !strings.HasPrefix(string(b), ":"), err
}

func (f fakeBackend) ImportAccount(ctx context.Context, dir, file string, password []byte) (api.Identity, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return api.Identity{}, err
	}
	want, name, _ := strings.Cut(string(b), ":")
	if want != string(password) {
		return api.Identity{}, api.Errorf(api.CodeWrongPassword, "wrong password")
	}
	return f.CreateAccount(ctx, dir, name, nil)
}

func (fakeBackend) VerifyTranscript(file io.Reader) (api.Transcript, error) {
	b, err := io.ReadAll(file)
	if err != nil {
		return api.Transcript{}, err
	}
	format, rest, _ := strings.Cut(string(b), " ")
	if !strings.HasPrefix(rest, "with ") {
		return api.Transcript{}, api.Errorf(api.CodeDamaged, "altered: line 1 is not what was signed")
	}
	return api.Transcript{
		Format: format, Conversation: "c0", Name: "evil\x1b[2J", Exported: api.Time{Time: day}, By: "12D3", Events: 3, Authors: 2, Missing: 1,
	}, nil
}

var day = time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)

func (f fixture) Status(ctx context.Context) (api.Status, error) {
	s, err := f.me.Status(ctx)
	s.Running, s.Addrs, s.Connections, s.Version, s.Queued = false, nil, nil, "", new(1)
	return s, err
}

func (f fixture) Whoami(ctx context.Context) (api.Identity, error) { return f.me.Whoami(ctx) }

func (f fixture) Conversations(ctx context.Context) ([]api.Conversation, error) {
	return f.me.Conversations(ctx)
}

func (f fixture) Storage(ctx context.Context) (api.Storage, error) { return f.me.Storage(ctx) }

func (f fixture) Peers(ctx context.Context) ([]api.Peer, error) {
	peers, err := f.me.Peers(ctx)
	for i := range peers {
		p := &peers[i]
		p.State, p.RTT, p.Transport = api.Offline, nil, nil
		p.LastSeen = api.Time{Time: day}
		if p.Name == "carol" {
			p.Addrs, p.LastSeen = nil, api.Time{}
		}
	}
	return peers, err
}

func (f fixture) Log(ctx context.Context, q api.LogQuery) ([]api.Message, error) {
	if f.findRoom(q.Target) == nil {
		return f.roomLog(ctx, q)
	}
	if _, err := f.me.Log(ctx, api.LogQuery{Target: q.Target}); err != nil {
		return nil, err // not-found, ambiguous
	}
	self, err := f.me.Whoami(ctx)
	if err != nil {
		return nil, err
	}
	peers, err := f.me.Peers(ctx)
	if err != nil {
		return nil, err
	}
	bob := peers[slices.IndexFunc(peers, func(p api.Peer) bool { return p.Name == "bob" })]
	msg := func(n int, after time.Duration, author api.Identity, kind, text, state string) api.Message {
		return api.Message{
			ID: fmt.Sprintf("%064x", n), Conversation: fmt.Sprintf("%064x", 7), Author: author.PeerID, Name: author.Name,
			Time: api.Time{Time: day.Add(after)}, Log: "0011223344556677", Seq: uint64(n), Kind: kind, Text: text, State: state,
		}
	}
	bobID := api.Identity{PeerID: bob.PeerID, Name: bob.Name}
	all := []api.Message{
		msg(1, 0, self, api.MessageText, "Hi! server, need help", api.Read),
		msg(2, time.Second, bobID, api.MessageText, "Hi client! glad to help", api.Received),
		msg(3, time.Minute, bobID, api.MessageAction, "waves <&> \"quoted\" \\", api.Received),
		msg(4, time.Hour, bobID, api.MessageText, "two\nlines\twith \x1b[31mred\x7f\u0085\u2028\u202e", api.Received),
		msg(5, 24*time.Hour, bobID, api.MessageUnknown, "", api.Received),
		msg(6, 25*time.Hour, self, api.MessageText, "später", api.Queued),
	}
	if q.All {
		all = append(all,
			msg(7, 25*time.Hour, bobID, api.MessagePrivate, "a word", api.Received),
			msg(8, 25*time.Hour, bobID, api.MessageInvite, "den: come", api.Received),
			msg(9, 25*time.Hour, self, api.MessageAnswer, "declined: no time", api.Delivered),
			msg(10, 25*time.Hour, bobID, api.MessageVoiceRequest, "", api.Received))
		all[8].Room, all[9].Room = fmt.Sprintf("%064x", 31), fmt.Sprintf("%064x", 8) // of the second the name is known
	}
	all[1].Verified, all[2].Skewed, all[3].Forked = true, true, true
	for i := 7; i <= 60 && os.Getenv("FAKE_LONG_LOG") != ""; i++ {
		all = append(all, msg(i, 26*time.Hour, self, api.MessageText, "line "+strconv.Itoa(i), api.Delivered))
	}
	all = slices.DeleteFunc(all, func(m api.Message) bool { return m.Time.Before(q.Since) })
	if q.Last > 0 && len(all) > q.Last {
		all = all[len(all)-q.Last:]
	}
	return all, nil
}

// Search looks through the log with bob.
func (f fixture) Search(ctx context.Context, q api.SearchQuery) ([]api.Message, error) {
	if _, err := f.me.Search(ctx, q); err != nil {
		return nil, err
	}
	s, err := api.ParseSearch(q.Words, time.Now())
	if err != nil {
		return nil, err
	}
	rows, err := f.Log(ctx, api.LogQuery{Target: "bob"})
	rows = slices.DeleteFunc(rows, func(m api.Message) bool {
		return s.From != "" && s.From != m.Name || slices.ContainsFunc(s.Terms, func(t api.Term) bool { return !t.In(m.Text) })
	})
	for i := range rows {
		rows[i].Place = &api.Place{Kind: api.KindRoom, Target: rows[i].Conversation, Name: "lab"}
	}
	return rows[max(0, len(rows)-q.Last):], err
}

func fakeCapture(ctx context.Context, opts captures.Options) (captures.Stats, error) {
	switch os.Getenv(envCapture) {
	case "permission":
		return captures.Stats{}, fmt.Errorf("%w: run setcap", captures.ErrPermission)
	case "unsupported":
		return captures.Stats{}, captures.ErrUnsupported
	case "full":
		return captures.Stats{}, captures.ErrDiskFull
	case "usage":
		return captures.Stats{}, &captures.UsageError{Text: "the name decides the format"}
	}
	target, err := opts.Refresh(ctx)
	if err != nil {
		return captures.Stats{}, err
	}
	opts.Notice(captures.Notice{Kind: captures.NoticeWaiting, Text: fmt.Sprintf(
		"%d TCP and %d UDP endpoints, interfaces %v of %v, %d connections, %d peers, with %v, %d names, ring %v",
		len(target.TCP), len(target.UDP), opts.Interfaces, target.Interfaces, len(target.Connections),
		len(target.Peers), target.With, len(target.Names), opts.Ring)})
	if opts.Duration == 0 {
		if err := os.WriteFile(opts.Path, []byte("a capture"), 0o600); err != nil {
			return captures.Stats{}, err
		}
		<-ctx.Done()
	}
	if opts.Secrets != nil {
		if err := fakeSecrets(ctx, opts); err != nil {
			return captures.Stats{}, err
		}
	}
	stats := captures.Stats{Packets: 12, Bytes: 3456, Dropped: 1, Conversations: 2, Elapsed: 1500 * time.Millisecond, File: opts.Path}
	if opts.Path == "-" {
		if _, err := opts.Stdout.Write([]byte("a capture\n")); err != nil {
			return stats, err
		}
	}
	opts.Progress(stats)
	return stats, nil
}

// fakeSecrets takes what there is until all connections are opened anew.
func fakeSecrets(ctx context.Context, opts captures.Options) error {
	keys, comments, notice := 0, 0, ""
	for s, err := range opts.Secrets(ctx) {
		switch {
		case err != nil:
			return err
		case s.KeyLog != "":
			keys++
		case s.Comment != "":
			comments++
		case s.Notice != "":
			notice = s.Notice
		}
		if notice != "" && keys > 0 {
			break
		}
	}
	opts.Notice(captures.Notice{Kind: captures.NoticeSecrets, Text: notice})
	opts.Notice(captures.Notice{Kind: captures.NoticeSecrets, Text: fmt.Sprintf("secrets: %d lines of keys, %d comments", keys, comments)})
	return nil
}

func fakeDemo(_ context.Context, opts cli.DemoOptions) (cli.DemoResult, error) {
	opts.Progress("client and server look for each other")
	r := cli.DemoResult{
		Rows: []cli.DemoRow{
			{Transport: "tcp", From: "client", To: "server", Input: "Hi! server, need help", Expected: "Hi! server, need help", Observed: "Hi! server, need help", Result: "Success"},
		},
		File: "demo.pcapng", Success: true, Hints: []string{"wireshark demo.pcapng"},
	}
	if opts.File != "" {
		r.File = opts.File
	}
	if opts.Say != "" {
		r.Rows = append(r.Rows, cli.DemoRow{Transport: "tcp", From: "client", To: "server", Input: opts.Say, Expected: opts.Say, Observed: opts.Say, Result: "Success"})
	}
	switch os.Getenv(envDemo) {
	case "mismatch":
		r.Rows[0].Observed, r.Rows[0].Result, r.Success = "", "Failure", false
	case "permission":
		r.File = ""
		return r, fmt.Errorf("%w: run setcap", captures.ErrPermission)
	}
	return r, nil
}
