package node

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"p2pchat/node/api"
	"p2pchat/protocol/identity"
)

// Where two people have one name, each is listed with his own fingerprint and ID.
func TestAmbiguousNames(t *testing.T) {
	t.Parallel()
	var people []person
	for i, name := range []string{"Alice", "ALICE", "alice", "aLice"} {
		key, err := identity.KeyFromSeed(bytes.Repeat([]byte{byte(i)}, 32))
		if err != nil {
			t.Fatal(err)
		}
		people = append(people, person{key.ID(), name})
	}
	_, err := resolve("@alicE", person{}, people)
	var e *api.Error
	if !errors.As(err, &e) || e.Code != api.CodeAmbiguous || len(e.Candidates) != len(people) || !slices.IsSorted(e.Candidates) {
		t.Fatalf("resolved to %+v", err)
	}
	var want []string
	for _, c := range e.Candidates {
		i := slices.IndexFunc(people, func(p person) bool { return p.id.String() == c })
		want = append(want, fmt.Sprintf("%s~%s (%s)", people[i].name, identity.Fingerprint(people[i].id), c))
	}
	if !strings.HasSuffix(e.Message, ": "+strings.Join(want, ", ")) {
		t.Errorf("said %q, want %q", e.Message, want)
	}
}
