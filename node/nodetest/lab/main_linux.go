package lab

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

const (
	insideEnv  = "P2PCHAT_LAB_INSIDE" // set for the copy of the test binary inside the namespaces
	dirEnv     = "P2PCHAT_LAB_DIR"    // where this run keeps its files
	importEnv  = "P2PCHAT_LAB_IMPORT" // import path of the command under test
	keepEnv    = "P2PCHAT_LAB_KEEP"
	programEnv = "P2PCHAT_LAB_PROGRAM" // names the Program that a copy of the test binary is to be

	// defaultParallel is how many tests run at once unless -parallel says
	// otherwise: lab tests mostly wait for timers, they don't compute.
	defaultParallel = 8
)

// init keeps the main goroutine on the main thread for good. The kernel ties
// PR_SET_PDEATHSIG to the thread that started a process, and a main thread
// that had been lent to a namespace could not end before the process does.
func init() { runtime.LockOSThread() }

// Option configures Main.
type Option func(*config)

type config struct {
	programs map[string]func(args []string) int
	binary   string // import path of the command to build, "" for none
}

// Program makes a function of the test package available as a process on a
// host: see Host.StartProgram. It gets its arguments without the program's
// name and returns the exit code.
func Program(name string, run func(args []string) int) Option {
	return func(c *config) { c.programs[name] = run }
}

// WithBinary builds the command with the given import path before the tests
// start (P2PCHAT_BIN names one that is already built); Binary returns it.
func WithBinary(importPath string) Option {
	return func(c *config) { c.binary = importPath }
}

// Tests is what Main runs: a *testing.M, or something else that may make labs.
type Tests interface{ Run() (code int) }

var _ Tests = (*testing.M)(nil)

// Main is to be called from TestMain. It runs the tests inside private
// namespaces and never returns.
func Main(m Tests, opts ...Option) {
	c := config{programs: map[string]func([]string) int{}}
	for _, o := range opts {
		o(&c)
	}
	if name := os.Getenv(programEnv); name != "" {
		run, ok := c.programs[name]
		if !ok {
			fmt.Fprintf(os.Stderr, "lab: no program %q\n", name)
			os.Exit(2)
		}
		os.Exit(run(os.Args[1:]))
	}
	if os.Getenv(insideEnv) != "" {
		os.Unsetenv(insideEnv)
		machine.missing = settle()
		moreParallel()
		os.Exit(m.Run())
	}
	os.Exit(outside(m, &c))
}

// outside builds the binary, runs this program again inside the namespaces
// and returns its exit code. If there can be no such namespaces the tests run
// here and New skips them.
func outside(m Tests, c *config) int {
	dir, err := os.MkdirTemp("", "p2pchat-lab")
	if err != nil {
		fmt.Fprintln(os.Stderr, "lab:", err)
		return 1
	}
	if os.Getenv(keepEnv) != "1" {
		defer os.RemoveAll(dir)
	}
	os.Setenv(dirEnv, dir)
	os.Setenv(importEnv, c.binary)
	if c.binary != "" && os.Getenv(binaryEnv) == "" {
		bin := filepath.Join(dir, "p2pchat")
		if err := build(c.binary, bin); err != nil {
			fmt.Fprintln(os.Stderr, "lab:", err)
			return 1
		}
		os.Setenv(binaryEnv, bin)
	}
	cmd := inside()
	// Terminals send SIGINT to both of us; whoever kills only this process
	// must still reach the tests. SIGQUIT is how go test asks for stacks.
	signals := make(chan os.Signal, 8) // a burst of Ctrl-C; more may be dropped
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGQUIT)
	if err := cmd.Start(); err != nil {
		signal.Stop(signals)
		machine.missing = fmt.Errorf("no private namespaces: %w", err)
		return m.Run()
	}
	go func() { // ends with the process
		for s := range signals {
			_ = cmd.Process.Signal(s) // gone already: Wait is about to return
		}
	}()
	err = cmd.Wait()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit) && exit.ExitCode() >= 0:
		return exit.ExitCode()
	default:
		fmt.Fprintln(os.Stderr, "lab: test process:", err)
		return 1
	}
}

// inside is this very command in namespaces of its own. In the new process
// namespace it is process 1, so the kernel kills all that is left of its
// children when it ends, and it is itself killed when the main thread of this
// process ends.
func inside() *exec.Cmd {
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Args[0] = os.Args[0]
	cmd.Env = append(os.Environ(), insideEnv+"=1")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: unix.CLONE_NEWNET | unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWUTS,
		Pdeathsig:  syscall.SIGKILL,
	}
	if os.Geteuid() != 0 {
		cmd.SysProcAttr.Cloneflags |= unix.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}}
	}
	return cmd
}

// settle prepares the namespaces this process was started in and finds out
// whether they can hold a lab. It returns what is missing, nil if nothing.
func settle() error {
	// Cut the mounts off from the machine's, then let those made here reach
	// the hosts, whose mount namespaces are copies of this one.
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("private mounts: %w", err)
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_SHARED, ""); err != nil {
		return fmt.Errorf("shared mounts: %w", err)
	}
	// Containers may forbid this one; then /proc shows the outer process
	// namespace, and nothing here minds.
	_ = unix.Mount("proc", "/proc", "proc", 0, "")
	if err := linkUp("lo"); err != nil {
		return fmt.Errorf("loopback: %w", err)
	}
	bridge := &netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: "probe"}}
	if err := netlink.LinkAdd(bridge); err != nil {
		return fmt.Errorf("kernel has no bridges: %w", err)
	}
	veth := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "probe0"}, PeerName: "probe1"}
	if err := netlink.LinkAdd(veth); err != nil {
		return fmt.Errorf("kernel has no veth pairs: %w", err)
	}
	return errors.Join(netlink.LinkDel(veth), netlink.LinkDel(bridge))
}

func linkUp(name string) error {
	link, err := netlink.LinkByName(name)
	if err != nil {
		return err
	}
	return netlink.LinkSetUp(link)
}

func moreParallel() {
	flag.Parse()
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "test.parallel" })
	if !given {
		_ = flag.Set("test.parallel", strconv.Itoa(defaultParallel))
	}
}
