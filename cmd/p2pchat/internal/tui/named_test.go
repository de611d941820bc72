package tui

import "testing"

// A message that names us is told from others without colour, until it is read.
func TestNamed(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h, anna, bruno, clara, dev := trio(t)
		join(t, anna, dev, "the boss")
		h.settle()
		h.enter("/msg clara")
		sayIn(t, bruno, dev, "morning")
		say(t, bruno, anna, "anything new?")
		h.settle()
		h.shows(" 1 │")
		h.hides("@")
		sayIn(t, bruno, dev, "Anna, the switch", "ask The Boss!", "the bossy one")
		h.settle()
		h.shows("@4 │", "bruno          1 │")
		h.press("ctrl+o")
		h.shows("write to #dev")
		h.hides("@")
		say(t, clara, anna, "@anna lunch?")
		h.settle()
		h.shows("clara         @1 │")
	})
}
