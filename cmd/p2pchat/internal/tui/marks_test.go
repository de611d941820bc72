package tui

import (
	"testing"

	"p2pchat/node/api/apitest"
)

func TestVerify(t *testing.T) {
	bubble(t, func(t *testing.T) {
		lan := apitest.NewLAN()
		anna := lan.Join("anna")
		lan.Join("bruno")
		h := newHarness(t, anna, 110, 24, Options{})
		h.settle()
		h.enter("/verify") // the one talked with
		h.shows("─ Verify ─", "bruno is marked as verified", "anna ")
		h.press("esc")
		h.shows("online, verified")
		h.enter("/verify bruno --undo")
		h.shows("bruno is no longer marked as verified")
		h.hides("online, verified")
		for line, want := range map[string]string{
			"/verify nobody":       "nobody called",
			"/verify bruno always": "there is no always: /verify NAME [--undo]",
		} {
			h.enter(line)
			h.shows(want)
			h.press("ctrl+u")
		}
	})
}
