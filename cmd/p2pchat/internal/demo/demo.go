package demo

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"p2pchat/captures"
	"p2pchat/node/api"
)

// Options say how to run the demonstration.
type Options struct {
	// File is the capture to write, .pcapng or .pcap; "" for
	// captures/demo.pcapng if there is such a folder in the working directory,
	// else demo.pcapng.
	File string
	// Say is one more line for client to say, at most [api.MaxText] bytes; ""
	// for none.
	Say string
	// Version is the program's.
	Version string
	// Progress is told sentences about what is being done; Logger is the
	// nodes'. Neither may be nil.
	Progress func(sentence string)
	Logger   *slog.Logger
}

// Result is what the demonstration found.
type Result struct {
	Rows []Row
	// File is the capture, "" if the system forbids capturing.
	File string
	// Hints are lines that say how to open the file and what to look at.
	Hints []string
}

// Row is one line that was said.
type Row struct {
	Transport string // tcp or quic-v1
	Room      bool   // said in the room
	From, To  string // client or server
	Input     string // what From was given to say
	Expected  string // to be in To's log
	Observed  string // what is, "" if nothing
}

// Success tells whether the observation is the expected one.
func (r Row) Success() bool { return r.Observed == r.Expected }

// Run runs the demonstration. Where the system forbids capturing it does the
// rest, and returns its result with [captures.ErrPermission] or
// [captures.ErrUnsupported]. Other errors of package captures: a wrong file name
// (before anything is done), a disk that is full. That nobody receives a line is
// no error but an observation.
func Run(ctx context.Context, o Options) (Result, error) {
	if o.Say != "" {
		if err := api.CheckText(o.Say); err != nil {
			return Result{}, err
		}
	}
	if o.File == "-" {
		return Result{}, &captures.UsageError{Text: "standard output is for the table: name a file to capture to"}
	}
	if o.File == "" {
		o.File = defaultFile()
	}
	s, err := setStage(ctx)
	if err != nil {
		return Result{}, err
	}
	result, err := s.run(ctx, o)
	return result, errors.Join(err, s.clear())
}

func defaultFile() string {
	if info, err := os.Stat("captures"); err == nil && info.IsDir() {
		return filepath.Join("captures", "demo.pcapng")
	}
	return "demo.pcapng"
}

// run plays all acts while the capture runs.
func (s *stage) run(ctx context.Context, o Options) (Result, error) {
	o.Progress(fmt.Sprintf("two fresh nodes on %s: client at %s, server at %s; they know nobody else",
		s.loopback, s.acts[0].client.at.Addr(), s.acts[0].server.at.Addr()))
	rec, forbidden := s.record(ctx, o)
	if forbidden != nil && !errors.Is(forbidden, captures.ErrPermission) && !errors.Is(forbidden, captures.ErrUnsupported) {
		return Result{}, forbidden
	}
	if rec != nil {
		o.Progress("capturing to " + o.File)
	} else {
		o.Progress("this system does not let us capture: going on without")
	}
	var result Result
	var failed error
	for _, a := range s.acts {
		rows, err := a.play(ctx, s.loopback, o, rec)
		result.Rows = append(result.Rows, rows...)
		if err != nil {
			failed = err
			break
		}
	}
	if rec == nil {
		if failed == nil {
			failed = forbidden
		}
		return result, failed
	}
	// The nodes have stopped: the capture ends with their last packets.
	err := rec.stop()
	result.File, result.Hints = o.File, s.hints(o.File)
	return result, errors.Join(failed, err)
}
