package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"p2pchat/captures"
	"p2pchat/node/api"
	"p2pchat/node/api/apitest"
)

// What the terminal UI is told of a capture: how far it is, what came of it,
// and what the system refuses.
func TestCaptureInUI(t *testing.T) {
	t.Parallel()
	_, alice, _ := apitest.NewFixture()
	var opts captures.Options
	a := &app{deps: Deps{Version: "1.2", Capture: func(ctx context.Context, o captures.Options) (captures.Stats, error) {
		opts = o
		o.Progress(captures.Stats{Packets: 1})
		o.Notice(captures.Notice{Text: "the link of eth0 is down"})
		o.Progress(captures.Stats{Packets: 20})
		target, err := o.Refresh(ctx)
		if err != nil || !slices.Equal(target.Interfaces, o.Target.Interfaces) {
			t.Errorf("the node says %+v, then %+v, %v", o.Target, target, err)
		}
		return captures.Stats{File: o.Path, Packets: 20, Bytes: 1500, Conversations: 1}, nil
	}}}
	var told []string
	summary, err := a.captureInUI(t.Context(), alice, "chat.pcapng", false, func(s string) { told = append(told, s) })
	if err != nil || summary != "20 packets, 1.5 kB, 0 dropped, 1 conversation, 0s" {
		t.Errorf("%q, %v", summary, err)
	}
	if want := []string{"1 packet", "the link of eth0 is down", "20 packets"}; !slices.Equal(told, want) {
		t.Errorf("told %q, want %q", told, want)
	}
	if opts.Application != "p2pchat 1.2" {
		t.Errorf("options %+v", opts)
	}

	// With secrets it says how many keys there are.
	a.deps.Capture = func(ctx context.Context, o captures.Options) (captures.Stats, error) {
		for s, err := range o.Secrets(ctx) {
			if err != nil || s.Notice != "" {
				return captures.Stats{File: o.Path}, err
			}
		}
		return captures.Stats{}, errors.New("connections were not opened anew")
	}
	if summary, err := a.captureInUI(t.Context(), alice, "chat.pcapng", true, func(string) {}); err != nil ||
		summary != "0 packets, 0 B, 0 dropped, 0 conversations, 0s, keys of 1 connection and 0 of rooms" {
		t.Errorf("%q, %v", summary, err)
	}

	a.deps.Capture = func(context.Context, captures.Options) (captures.Stats, error) {
		return captures.Stats{}, fmt.Errorf("%w: run setcap", captures.ErrPermission)
	}
	if _, err := a.captureInUI(t.Context(), alice, "chat.pcapng", false, func(string) {}); !api.IsCode(err, api.CodeNoPermission) {
		t.Errorf("forbidden: %v", err)
	}
	stopped := errors.New("stopped")
	a.deps.Capture = func(context.Context, captures.Options) (captures.Stats, error) { return captures.Stats{}, stopped }
	if _, err := a.captureInUI(t.Context(), alice, "chat.pcapng", false, func(string) {}); !errors.Is(err, stopped) {
		t.Errorf("another error: %v", err)
	}
}
