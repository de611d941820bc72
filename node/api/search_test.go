package api

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// The quick way to take a text apart gives what the general one gives, which a
// letter beyond ASCII at its end has it take.
func TestPlainTokens(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringOfN(rapid.RuneFrom([]rune("abZ09 _-.,'\x00\x7f~é")), 0, 40, -1).Draw(t, "text")
		plain, general := tokens(text), tokens(text+" é")
		if !slices.Equal(plain, general[:len(general)-1]) {
			t.Fatalf("%q: %v and %v", text, plain, general)
		}
	})
}
