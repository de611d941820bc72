package rooms

import (
	"testing"
	"time"
)

func TestLifetime(t *testing.T) {
	t.Parallel()
	day := time.Date(2026, 11, 25, 0, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		name   string
		seen   time.Time // before the node started at day
		others bool      // somebody comes after five minutes
		want   bool      // abandoned after an hour
	}{
		{"new", time.Time{}, false, false},
		{"yesterday evening", day.Add(-23 * time.Hour), false, false},
		{"two days ago", day.Add(-48 * time.Hour), false, true},
		{"two days ago, kept by others", day.Add(-48 * time.Hour), true, false},
	} {
		l := lifetime{seen: tt.seen}
		l.wake(day)
		dropped := false
		for at := time.Duration(0); at <= time.Hour; at += tickEvery {
			dropped = dropped || l.abandoned(day.Add(at), tt.others && at >= 5*time.Minute)
		}
		if dropped != tt.want {
			t.Errorf("%s: abandoned: %v, want %v", tt.name, dropped, tt.want)
		}
		if !tt.want && !l.seen.Equal(day.Add(time.Hour)) {
			t.Errorf("%s: last seen %v", tt.name, l.seen)
		}
	}
}
