package tui

import (
	"testing"

	"p2pchat/node/api"
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

func TestBlock(t *testing.T) {
	bubble(t, func(t *testing.T) {
		lan := apitest.NewLAN()
		anna, bruno := lan.Join("anna"), lan.Join("bruno")
		lan.Join("clara")
		if _, err := anna.CreateRoom(t.Context(), api.CreateRoomRequest{Name: "dev"}); err != nil {
			t.Fatal(err)
		}
		if _, err := bruno.JoinRoom(t.Context(), api.JoinRoomRequest{Room: "#dev"}); err != nil {
			t.Fatal(err)
		}
		toRoom := func(text string) {
			t.Helper()
			if _, err := bruno.Send(t.Context(), api.SendRequest{Target: "#dev", Text: text}); err != nil {
				t.Fatal(err)
			}
		}
		h := newHarness(t, anna, 120, 24, Options{})
		h.settle()
		h.enter("/join dev")
		toRoom("first words")
		h.settle()
		h.shows("first words")

		h.enter("/block bruno")
		h.shows("bruno is blocked")
		h.hides("first words")
		toRoom("second words")
		h.settle()
		h.hides("second words")
		h.enter("/msg bruno")
		h.enter("hello")
		h.shows("you have blocked bruno")
		h.press("ctrl+u")
		wantTexts(t, bruno, anna)

		h.enter("/unblock") // the one talked with
		h.shows("bruno is not blocked any more")
		h.enter("/join dev")
		h.shows("first words", "second words")

		h.enter("/block 12D3KooWPjceQrSwdWXPyLLeABRXmuqt69Rg3sBYbU1Nft9HyQ6X") // never seen
		h.shows("Q6X is blocked")
		for line, want := range map[string]string{
			"/block":             "say whom: /block NAME",
			"/block nobody":      "nobody called",
			"/unblock clara now": "there is no now: /unblock NAME",
			"/block #dev":        "is a room",
		} {
			h.enter(line)
			h.shows(want)
			h.press("ctrl+u")
		}
	})
}
