package lab

import (
	"fmt"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// namespace is a network, mount and host-name namespace with the thread that
// lives in it. Whatever runs through do runs on that thread.
type namespace struct {
	net  *os.File // the network namespace; cables are plugged in by it
	jobs chan func()
	done chan struct{} // closed when the thread is about to end
}

func newNamespace(hostname string) (*namespace, error) {
	ns := &namespace{
		jobs: make(chan func()), // unbuffered: do waits for the result anyway
		done: make(chan struct{}),
	}
	ready := make(chan error, 1) // one answer, also if nobody were to wait
	go ns.live(hostname, ready)  // ends when close closes jobs
	if err := <-ready; err != nil {
		return nil, fmt.Errorf("namespace %s: %w", hostname, err)
	}
	return ns, nil
}

// live never unlocks its thread, so that the thread ends with the goroutine
// and takes the processes started on it along.
func (ns *namespace) live(hostname string, ready chan<- error) {
	runtime.LockOSThread()
	defer close(ns.done)
	if err := ns.settle(hostname); err != nil {
		ready <- err
		return
	}
	ready <- nil
	for job := range ns.jobs {
		job()
	}
}

func (ns *namespace) settle(hostname string) error {
	if err := unix.Unshare(unix.CLONE_NEWNET | unix.CLONE_NEWNS | unix.CLONE_NEWUTS); err != nil {
		return fmt.Errorf("unshare: %w", err)
	}
	if err := unix.Sethostname([]byte(hostname)); err != nil {
		return fmt.Errorf("host name: %w", err)
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_SLAVE, ""); err != nil {
		return fmt.Errorf("mounts: %w", err)
	}
	// A sysfs shows the interfaces of the namespace it was mounted in. Where
	// this is forbidden, programs that look there see none; most use netlink.
	_ = unix.Mount("sysfs", "/sys", "sysfs", 0, "")
	f, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		return err
	}
	ns.net = f
	return linkUp("lo")
}

// do runs a function on the namespace's thread. The function must not fail
// the test itself.
func (ns *namespace) do(fn func() error) error {
	result := make(chan error, 1) // one answer
	ns.jobs <- func() { result <- fn() }
	return <-result
}

// sysctl sets a kernel parameter of this namespace, such as
// "net/ipv4/ip_forward".
func (ns *namespace) sysctl(name, value string) error {
	return ns.do(func() error {
		return os.WriteFile("/proc/sys/"+name, []byte(value), 0o644)
	})
}

func (ns *namespace) close() {
	close(ns.jobs)
	<-ns.done
	ns.net.Close()
}
