package term

import (
	"slices"
	"testing"
)

func TestWrap(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		text         string
		width, lines int
		want         []string
	}{
		{"", 10, 4, []string{""}},
		{"short", 10, 4, []string{"short"}},
		{"Hi client! glad to help", 18, 4, []string{"Hi client! glad to", "help"}},
		{"abcdefghij", 4, 4, []string{"abcd", "efgh", "ij"}},
		{"abcdefghij", 4, 2, []string{"abcd", "efg…"}},
		{"one two three", 5, 2, []string{"one", "two…"}},
		{"漢字漢字", 4, 4, []string{"漢字", "漢字"}},
	} {
		if got := Wrap(tt.text, tt.width, tt.lines); !slices.Equal(got, tt.want) {
			t.Errorf("Wrap(%q, %d, %d) = %q, want %q", tt.text, tt.width, tt.lines, got, tt.want)
		}
	}
}
