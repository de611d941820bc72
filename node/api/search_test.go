package api

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestNothing: of what the index does not have nothing can be found, which is said.
func TestNothing(t *testing.T) {
	t.Parallel()
	for _, words := range []string{"...", "😀", "☺ 🏠", "\"🇩🇪\"", "€", "after:24h 😀"} {
		if s, err := ParseSearch(words, time.Now()); !IsCode(err, CodeUsage) {
			t.Errorf("%q: %+v, %v", words, s, err)
		}
	}
	for _, words := range []string{"𠀀", "𝔸", "½", "ok 😀"} {
		if s, err := ParseSearch(words, time.Now()); err != nil || len(s.Terms) != 1 {
			t.Errorf("%q: %+v, %v", words, s, err)
		}
	}
}

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
