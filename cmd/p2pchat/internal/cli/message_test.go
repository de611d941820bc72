package cli

import (
	"bytes"
	"io"
	"strings"
	"testing"

	"p2pchat/node/api"
	"p2pchat/node/api/apitest"
)

// A reply shows what it answers, also where that is not listed.
func TestAnswered(t *testing.T) {
	t.Parallel()
	lan := apitest.NewLAN()
	alice, bob := lan.Join("alice"), lan.Join("bob")
	var sent []api.Receipt
	for _, r := range []api.SendRequest{{Text: "who has the key?"}, {Text: "between"}, {Text: "gone"}, {Text: "me"}, {Text: "why?"}} {
		r.Target = "bob"
		switch r.Text {
		case "me":
			r.ReplyTo = sent[0].ID
		case "why?":
			r.ReplyTo = sent[2].ID
		}
		said, err := alice.Send(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		sent = append(sent, said)
	}
	if _, err := alice.Retract(t.Context(), api.AmendRequest{Target: "bob", ID: sent[2].ID}); err != nil {
		t.Fatal(err)
	}
	for what, list := range map[string]func(a *app) error{
		"log": func(a *app) error {
			_, err := a.printLog(t.Context(), bob, api.LogQuery{Target: "alice", Last: 2}, false)
			return err
		},
		"search": func(a *app) error {
			if err := a.printFound(t.Context(), bob, api.SearchQuery{Words: "me"}); err != nil {
				return err
			}
			return a.printFound(t.Context(), bob, api.SearchQuery{Words: "why"})
		},
	} {
		var out bytes.Buffer
		if err := list(&app{out: &output{w: &out}, err: io.Discard}); err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{"me  [to alice: who has the key?]", "why?  [to alice: [retracted]]"} {
			if !strings.Contains(out.String(), want) {
				t.Errorf("%s lacks %q:\n%s", what, want, out.String())
			}
		}
	}
}
