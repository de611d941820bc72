package lab

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Proc is a process on a host. Its output is kept in files and shown if the
// test fails.
type Proc struct {
	// Stdout and Stderr are what it wrote so far.
	Stdout, Stderr *Output

	h    *Host
	cmd  *exec.Cmd
	done chan struct{} // closed when the process has ended and its output is complete

	mu     sync.Mutex
	mayEnd bool // it is no fault that it ends
}

// Result is how a command ended.
type Result struct {
	Args           []string
	Stdout, Stderr string
	Code           int // exit code; -1 if a signal ended it
	Took           time.Duration
}

// Decode reads standard output as one JSON value.
func (r Result) Decode(v any) error {
	if err := json.Unmarshal([]byte(r.Stdout), v); err != nil {
		return fmt.Errorf("%s: %w", r, err)
	}
	return nil
}

func (r Result) String() string {
	return fmt.Sprintf("%s: exit %d\nstdout: %s\nstderr: %s", strings.Join(r.Args, " "), r.Code, r.Stdout, r.Stderr)
}

// Env is the environment of the host's programs: a home of its own, and of
// the test's environment only what a Go program needs to be found and to
// report on itself.
func (h *Host) Env() []string {
	env := []string{
		"HOME=" + h.Home,
		"TMPDIR=" + filepath.Join(h.Home, "tmp"),
		"XDG_RUNTIME_DIR=" + filepath.Join(h.Home, "tmp"),
		"P2PCHAT_DATA=" + h.Data,
		"LANG=C.UTF-8",
		"TERM=dumb",
	}
	for _, name := range []string{"PATH", "GOCOVERDIR", "GORACE", "GOTRACEBACK"} {
		if v, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+v)
		}
	}
	return env
}

// Command prepares a program on the host; Start starts it.
func (h *Host) Command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(name, args...)
	cmd.Env = h.Env()
	cmd.Dir = h.Home
	return cmd
}

// Start starts a program on the host. It ends as it likes, and is killed at
// the test's end.
func (h *Host) Start(cmd *exec.Cmd) *Proc {
	h.l.t.Helper()
	return h.start(cmd, true)
}

// StartService starts a program that is to run until one of Proc's methods
// ends it: that it ends by itself fails the test.
func (h *Host) StartService(cmd *exec.Cmd) *Proc {
	h.l.t.Helper()
	return h.start(cmd, false)
}

// Program prepares a Program of the test package.
func (h *Host) Program(name string, args ...string) *exec.Cmd {
	cmd := h.Command("/proc/self/exe", args...)
	cmd.Args[0] = name
	cmd.Env = append(cmd.Env, programEnv+"="+name)
	return cmd
}

func (h *Host) start(cmd *exec.Cmd, mayEnd bool) *Proc {
	h.l.t.Helper()
	base := filepath.Join(h.Home, fmt.Sprintf("%03d-%s", h.started.Add(1), label(cmd)))
	p := &Proc{h: h, cmd: cmd, mayEnd: mayEnd, done: make(chan struct{})}
	var err error
	p.Stdout, err = newOutput(base + ".stdout")
	h.l.check(err, "keep output")
	p.Stderr, err = newOutput(base + ".stderr")
	h.l.check(err, "keep output")
	cmd.Stdout, cmd.Stderr = p.Stdout, p.Stderr
	cmd.WaitDelay = 10 * time.Second // a grandchild that keeps the pipes open
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
	h.l.check(h.ns.do(cmd.Start), "start "+p.String())
	h.l.track(p)
	go p.watch() // ends with the process, which ends with the lab at the latest
	return p
}

// label is the program's name and first word, for file names.
func label(cmd *exec.Cmd) string {
	name := filepath.Base(cmd.Args[0])
	if len(cmd.Args) > 1 && !strings.ContainsAny(cmd.Args[1], "/-") {
		name += "-" + cmd.Args[1]
	}
	return name
}

func (p *Proc) watch() {
	_ = p.cmd.Wait() // the state says more than the error
	p.Stdout.end()
	p.Stderr.end()
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.mayEnd {
		// Before done is closed, so that release cannot let the test end first.
		p.h.l.t.Errorf("lab: %s ended by itself: %s", p, p.cmd.ProcessState)
	}
	close(p.done)
}

func (p *Proc) String() string {
	return fmt.Sprintf("%s: %s", p.h.Name, strings.Join(append([]string{filepath.Base(p.cmd.Args[0])}, p.cmd.Args[1:]...), " "))
}

// Pid is the process's number.
func (p *Proc) Pid() int { return p.cmd.Process.Pid }

// Wait lets the process end as it likes and returns how it did. The test
// fails if the context ends first.
func (p *Proc) Wait(ctx context.Context) Result {
	p.h.l.t.Helper()
	p.letEnd()
	select {
	case <-p.done:
	case <-ctx.Done():
		p.h.l.t.Errorf("lab: %s does not end: %v", p, ctx.Err())
		p.Kill9()
	}
	return p.result()
}

// Interrupt sends a signal the process is to end by, and waits.
func (p *Proc) Interrupt(ctx context.Context, sig syscall.Signal) Result {
	p.h.l.t.Helper()
	p.letEnd()
	p.signal(sig)
	return p.Wait(ctx)
}

// Kill9 kills the process with SIGKILL and waits until it is gone.
func (p *Proc) Kill9() {
	p.letEnd()
	p.signal(syscall.SIGKILL)
	<-p.done
}

// Pause stops the process where it is (SIGSTOP): the machine that sleeps.
func (p *Proc) Pause() { p.signal(syscall.SIGSTOP) }

// Continue ends a Pause.
func (p *Proc) Continue() { p.signal(syscall.SIGCONT) }

// Running says whether the process has not ended yet.
func (p *Proc) Running() bool {
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

func (p *Proc) signal(sig syscall.Signal) {
	// An error means that the process has ended; whoever waits sees it.
	_ = p.cmd.Process.Signal(sig)
}

func (p *Proc) letEnd() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mayEnd = true
}

// quit makes a Go program that still runs print its goroutines and end.
func (p *Proc) quit() {
	p.letEnd()
	p.Continue()
	p.signal(syscall.SIGQUIT)
	select {
	case <-p.done:
	case <-time.After(5 * time.Second): // it catches the signal; release kills it
	}
}

// release kills the process if it still runs, at the lab's end.
func (p *Proc) release() {
	p.Kill9()
	p.Stdout.close()
	p.Stderr.close()
}

func (p *Proc) result() Result {
	return Result{
		Args:   append([]string{p.h.Name + "$", filepath.Base(p.cmd.Args[0])}, p.cmd.Args[1:]...),
		Stdout: p.Stdout.String(),
		Stderr: p.Stderr.String(),
		Code:   p.cmd.ProcessState.ExitCode(),
	}
}

// repeatedBy reports whether the next process was the same command again after
// this one had succeeded.
func (p *Proc) repeatedBy(next *Proc) bool {
	return p.cmd.ProcessState != nil && p.cmd.ProcessState.Success() && p.String() == next.String()
}

// story is what the failure report says about the process.
func (p *Proc) story() string {
	keep := 4000 // bytes of either stream
	if os.Getenv("P2PCHAT_LAB_STACKS") == "1" {
		keep = 1 << 20
	}
	return fmt.Sprintf("---- %s: %s\n-- stdout:\n%s\n-- stderr:\n%s",
		p, p.cmd.ProcessState, p.Stdout.last(keep), p.Stderr.last(keep))
}

// Run runs a command of the binary under test on the host and waits for it.
// When the context ends first it is killed and the code is -1.
func (h *Host) Run(ctx context.Context, args ...string) Result {
	h.l.t.Helper()
	return h.RunInput(ctx, "", args...)
}

// RunInput is Run with a standard input.
func (h *Host) RunInput(ctx context.Context, stdin string, args ...string) Result {
	h.l.t.Helper()
	cmd := h.Command(h.Binary(), args...)
	cmd.Stdin = strings.NewReader(stdin)
	return h.RunCommand(ctx, cmd)
}

// RunCommand runs any program on the host and waits for it.
func (h *Host) RunCommand(ctx context.Context, cmd *exec.Cmd) Result {
	h.l.t.Helper()
	start := time.Now()
	p := h.Start(cmd)
	select {
	case <-p.done:
	case <-ctx.Done():
		p.Kill9()
	}
	r := p.result()
	r.Took = time.Since(start)
	if errors.Is(ctx.Err(), context.DeadlineExceeded) && r.Code == -1 {
		r.Stderr += "\nlab: killed at the deadline"
	}
	return r
}
