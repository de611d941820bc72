//go:build unix

package tui

import (
	"strings"
	"testing"

	"p2pchat/node/api"
	"p2pchat/node/api/apitest"
)

// A room is governed on a real terminal, and no password is to be seen on it.
func TestTerminalGovern(t *testing.T) {
	t.Parallel()
	lan := apitest.NewLAN()
	anna, bruno := lan.Join("anna"), lan.Join("bruno")
	term := newTerminal(t, 100, 24)
	done := term.run(anna, t.Context())
	term.shows("write to bruno")
	term.write("/create board --moderated --password\r")
	term.shows("The password of #board")
	term.write("s3crét")
	term.shows("› ******")
	term.write("\r")
	term.shows("write to #board", "you: owner")
	rooms, err := anna.Rooms(t.Context(), false)
	if err != nil || len(rooms) != 1 {
		t.Fatal(rooms, err)
	}
	board := rooms[0].RoomID
	if _, err := bruno.JoinRoom(t.Context(), api.JoinRoomRequest{Room: board, Password: []byte("s3crét")}); err != nil {
		t.Fatal(err)
	}
	term.shows("● bruno    visitor")
	if _, err := bruno.RequestVoice(t.Context(), board); err != nil {
		t.Fatal(err)
	}
	term.shows("bruno asks for voice in #board; /voice bruno gives it", "asks")
	term.write("\x1bOQ\x1b[B\r") // F2, Down, Enter
	term.shows("bruno in #board", "▌ write privately")
	term.write("\x1b[B\x1b[B\r")
	term.shows("› /voice bruno")
	term.write("\r")
	term.shows("anna gave voice to bruno")
	term.write("/config\r")
	term.shows("Settings of #board", "is set")
	term.write("\x1b[B\x1b[B\x1b[B\x1b[B\x1b[B\x1b[C")
	term.shows("[ save 1 change ]")
	term.write("\x13") // Ctrl+S
	term.shows("anna made the room unmoderated")
	term.write("/audit\r")
	term.shows("✓ made the room unmoderated", "as the creator")
	term.write("\x1b")
	term.shows("write to #board")
	term.write("/destroy\r")
	term.shows("To go on, type its name: board")
	term.write("board\r")
	term.shows("anna destroyed #board")
	term.wait("no password", func(v *vt) bool { return !strings.Contains(v.String(), "s3cr") })
	term.write("\x03")
	if err := <-done; err != nil {
		t.Error(err)
	}
}
