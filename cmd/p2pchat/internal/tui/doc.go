// Package tui is the terminal UI: one face of a running node. It knows only
// [p2pchat/node/api.Service]; whether the node runs in this process or behind
// a socket makes no difference to it.
//
// # Shape
//
// One model (model.go) holds the state and hands every message to small units:
//
//	screen.go       the panes put together
//	people.go       whom one can talk to: order, unread counts, the left pane
//	rooms.go        which of these are rooms, and what happens when one goes
//	members.go, memberview.go   who is in a room: the right pane, /names
//	listing.go, browser.go      the rooms there are: the dialog that joins one
//	door.go, invitations.go     entering: passwords, invitations
//	rules.go        a room's settings and who stands where in it
//	privileges.go   who may do what, as the sentence that says why not
//	roomcommands.go, govern.go  the slash commands about rooms
//	who.go          the menu of what may be done with somebody
//	configform.go, configview.go, audit.go, retract.go   settings, acts, messages to take back
//	find.go, apart.go           the search, and what stands around a message found
//	news.go         what others did and one should not miss: /notices
//	dialog.go, menu.go, question.go   what covers the messages and takes the keys
//	transcript.go   the messages of one conversation: merging, paging, scrolling
//	lines.go        how one message looks: separators, names, wrapping, marks
//	notices.go      what happened in a room, in words
//	editor.go       the input line: editing, history, wrapping
//	complete.go, completegov.go what Tab offers
//	commands.go     the slash commands
//	details.go      the right pane: who the other person is
//	bars.go         the line on top, the rule above the input, the line below
//	sheet.go        text that covers the messages for a while: help, doctor, …
//	layout.go       which of these fit on a screen of a given size
//	keys.go, styles.go, width.go, clean.go
//
// firstrun.go asks the questions of a first run and for the password.
//
// # What reaches the terminal
//
// Names, status lines, texts and errors of the service are cleaned (clean.go)
// when they enter the model, never later, so that nothing in it can hold an
// escape sequence. Widths are measured the way the renderer measures them
// (width.go), and every line is cut to its pane before it is joined to others.
//
// Passwords of rooms are typed into a question of their own, masked; they are in
// no history, note or log, and go when it closes.
//
// # Concurrency
//
// The model is touched only by Bubble Tea's loop. Calls to the service run
// beside it (calls.go) and come back as messages; [Run] waits for all of them,
// and for the goroutine that follows [api.Service.Watch], before it returns.
package tui
