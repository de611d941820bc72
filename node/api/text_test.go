package api

import (
	"strings"
	"testing"
)

// TestReactions: what nobody would see is no reaction, and what emojis are made of
// is one.
func TestReactions(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"👍", "❤️", "👨‍👩‍👧", "1️⃣", "+1", "gut!", "ok ok", "é", "同意"} {
		if err := CheckReaction(text); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	}
	for text, code := range map[string]Code{
		"": CodeBadText, " ": CodeBadText, "\u00a0\u2003": CodeBadText, "\u200b": CodeBadText, "\u200d\ufe0f": CodeBadText, "\u0301": CodeBadText,
		"a\nb": CodeBadText, "\x1b[2J": CodeBadText, "\xff": CodeBadText, strings.Repeat("x", MaxReaction+1): CodeTooLong,
	} {
		if err := CheckReaction(text); !IsCode(err, code) {
			t.Errorf("%q: %v, want %s", text, err, code)
		}
	}
}
