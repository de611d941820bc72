package rooms

import (
	"slices"
	"testing"

	"github.com/libp2p/go-libp2p/core/peer"
)

// TestOneWhoLiesRenamesNothing: the description of most counts, whatever one
// says of how many are in the room.
func TestOneWhoLiesRenamesNothing(t *testing.T) {
	t.Parallel()
	honest := Listing{Name: "dev", Occupants: 3, Via: []peer.ID{"c", "b"}}
	lie := Listing{Name: "hacked", Occupants: 1 << 31, Via: []peer.ID{"a"}}
	got := agreed(map[described]*Listing{honest.described(): &honest, lie.described(): &lie})
	if got.Name != "dev" || got.Occupants != 3 || !slices.Equal(got.Via, []peer.ID{"a", "b", "c"}) {
		t.Errorf("agreed on %+v", got)
	}
}
