package main

import (
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"time"
)

// libraries whose versions matter to what is measured.
var libraries = []string{
	"github.com/libp2p/go-libp2p", "github.com/libp2p/go-libp2p-pubsub", "github.com/quic-go/quic-go", "github.com/libp2p/zeroconf/v2", "modernc.org/sqlite",
}

// machine describes this one, without naming it.
func machine(b *bench) string {
	var s strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&s, "- "+format+"\n", args...) }
	line("%s, median of %d runs", time.Now().UTC().Format("2006-01-02"), b.runs)
	line("%s/%s, %d cores%s%s", runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), processor(), kernel())
	if fs := fileSystem(b.dir); fs != "" {
		line("databases on %s", fs)
	}
	if load := loadAverage(); load != "" {
		line("load average before: %s, at the end: %s", b.load, load)
	}
	line("%s, CGO_ENABLED=0", runtime.Version())
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, want := range libraries {
			for _, m := range info.Deps {
				if m.Path == want {
					line("%s %s", m.Path, m.Version)
				}
			}
		}
	}
	return s.String()
}

func processor() string {
	cpu, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return ""
	}
	for l := range strings.Lines(string(cpu)) {
		if name, v, ok := strings.Cut(l, ":"); ok && strings.TrimSpace(name) == "model name" {
			return ", " + strings.TrimSpace(v)
		}
	}
	return ""
}

func kernel() string {
	v, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		return ""
	}
	return ", kernel " + strings.TrimSpace(string(v))
}

func loadAverage() string {
	v, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return ""
	}
	return strings.Join(strings.Fields(string(v))[:3], " ")
}

// fileSystem is the kind that dir is on: the one mounted nearest above it.
func fileSystem(dir string) string {
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		return ""
	}
	best, kind := -1, ""
	for l := range strings.Lines(string(mounts)) {
		f := strings.Fields(l)
		if len(f) < 3 {
			continue
		}
		at := strings.TrimSuffix(f[1], "/") + "/"
		if strings.HasPrefix(dir+"/", at) && len(at) >= best {
			best, kind = len(at), f[2]
		}
	}
	return kind
}
