package main

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"

	"p2pchat/node/nodetest/lab"
)

// enterLab runs this program again inside the lab's namespaces, there to call
// run, and does not return. Where there can be none, run is called here.
func enterLab(run func() int) { lab.Main(runner(run)) }

type runner func() int

func (r runner) Run() int { return r() }

// inLab runs f, which may make labs, as package testing runs a test.
func inLab(name string, f func(t testing.TB)) error {
	t := &scene{name: name}
	body := func(f func()) {
		done := make(chan struct{})
		go func() { // ends with f or with FailNow; waited for
			defer close(done)
			f()
		}()
		<-done
	}
	body(func() { f(t) })
	for len(t.cleanups) > 0 {
		last := t.cleanups[len(t.cleanups)-1]
		t.cleanups = t.cleanups[:len(t.cleanups)-1]
		body(last)
	}
	if t.skip != "" {
		return skipped{t.skip}
	}
	if t.Failed() {
		return errors.New(strings.Join(t.said, "\n"))
	}
	return nil
}

// scene is as much of a test as the lab asks for.
type scene struct {
	testing.TB // for what nobody calls here
	name       string
	cleanups   []func() // of one goroutine, as the lab's are

	mu     sync.Mutex
	failed bool
	said   []string
	skip   string
}

func (t *scene) Name() string     { return t.name }
func (t *scene) Helper()          {}
func (t *scene) Cleanup(f func()) { t.cleanups = append(t.cleanups, f) }

func (t *scene) Failed() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.failed
}

func (t *scene) say(failed bool, line string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.failed = t.failed || failed
	t.said = append(t.said, line)
}

func (t *scene) Log(args ...any)                   { t.say(false, fmt.Sprint(args...)) }
func (t *scene) Logf(format string, args ...any)   { t.say(false, fmt.Sprintf(format, args...)) }
func (t *scene) Error(args ...any)                 { t.say(true, fmt.Sprint(args...)) }
func (t *scene) Errorf(format string, args ...any) { t.say(true, fmt.Sprintf(format, args...)) }

func (t *scene) Fatal(args ...any) {
	t.Error(args...)
	runtime.Goexit()
}

func (t *scene) Fatalf(format string, args ...any) {
	t.Errorf(format, args...)
	runtime.Goexit()
}

func (t *scene) Skip(args ...any) {
	t.mu.Lock()
	t.skip = strings.TrimSpace(fmt.Sprint(args...))
	t.mu.Unlock()
	runtime.Goexit()
}

// bare starts the yardstick's program on a host.
func bare(h *lab.Host, args ...string) *lab.Proc {
	return h.Start(h.Command(os.Getenv(bareEnv), args...))
}
