package tui

import "charm.land/bubbles/v2/key"

// keyMap is every key of the UI. Those with a help text are listed by /help,
// in this order.
type keyMap struct {
	Send, Newline, Complete, CompleteBack        key.Binding
	Up, Down                                     key.Binding
	Next, Prev, NextUnread                       key.Binding
	PageUp, PageDown, Top, Bottom                key.Binding
	Help, Members, Messages, Find, Close, Redraw key.Binding
	Save, Quit                                   key.Binding

	Left, Right, WordLeft, WordRight, LineStart, LineEnd key.Binding
	Backspace, Delete, DeleteWord, DeleteWordRight       key.Binding
	DeleteToStart, DeleteToEnd, Yank                     key.Binding
}

func bind(help, desc string, keys ...string) key.Binding {
	return key.NewBinding(key.WithKeys(keys...), key.WithHelp(help, desc))
}

var keys = keyMap{
	Send:         bind("Enter", "send", "enter"),
	Newline:      bind("Alt+Enter, Ctrl+J", "new line", "alt+enter", "shift+enter", "ctrl+j"),
	Complete:     bind("Tab, Shift+Tab", "complete a name or a command", "tab"),
	CompleteBack: bind("", "", "shift+tab"),
	Up:           bind("Up, Down", "what you wrote before", "up"),
	Down:         bind("", "", "down"),
	Next:         bind("Ctrl+N, Alt+Down", "next conversation", "ctrl+n", "alt+down", "ctrl+down"),
	Prev:         bind("Ctrl+P, Alt+Up", "previous conversation", "ctrl+p", "alt+up", "ctrl+up"),
	NextUnread:   bind("Ctrl+O, Alt+A", "next unread conversation", "ctrl+o", "alt+a"),
	PageUp:       bind("PgUp, PgDn", "scroll; older messages load as you reach them", "pgup", "shift+up"),
	PageDown:     bind("", "", "pgdown", "shift+down"),
	Top:          bind("Ctrl+Home, Ctrl+End", "oldest loaded, newest message", "ctrl+home"),
	Bottom:       bind("", "", "ctrl+end"),
	Help:         bind("F1", "this help", "f1"),
	Close:        bind("Esc", "close this, cancel", "esc"),
	Redraw:       bind("Ctrl+L", "draw the screen anew", "ctrl+l"),
	Save:         bind("Ctrl+S", "save what a form holds", "ctrl+s"),
	Members:      bind("F2", "who is in this room, and what you may do with whom", "f2"),
	Messages:     bind("F3", "choose a message to reply to, react to, edit or take back", "f3"),
	Find:         bind("F4", "search all conversations, and go on to what was found", "f4"),
	Quit:         bind("Ctrl+C", "quit", "ctrl+c"),

	Left:            bind("", "", "left", "ctrl+b"),
	Right:           bind("", "", "right", "ctrl+f"),
	WordLeft:        bind("", "", "ctrl+left", "alt+left", "alt+b"),
	WordRight:       bind("", "", "ctrl+right", "alt+right", "alt+f"),
	LineStart:       bind("", "", "home", "ctrl+a"),
	LineEnd:         bind("", "", "end", "ctrl+e"),
	Backspace:       bind("", "", "backspace", "ctrl+h"),
	Delete:          bind("", "", "delete", "ctrl+d"),
	DeleteWord:      bind("Ctrl+W", "delete the word before the cursor", "ctrl+w", "alt+backspace", "ctrl+backspace"),
	DeleteWordRight: bind("", "", "alt+d", "alt+delete", "ctrl+delete"),
	DeleteToStart:   bind("Ctrl+U, Ctrl+K", "delete to the start, the end of the line", "ctrl+u"),
	DeleteToEnd:     bind("", "", "ctrl+k"),
	Yank:            bind("Ctrl+Y", "put back what was deleted last", "ctrl+y"),
}

// helpOrder are the bindings /help lists.
func (k keyMap) helpOrder() []key.Binding {
	return []key.Binding{
		k.Send, k.Newline, k.Complete, k.Up, k.Next, k.Prev, k.NextUnread,
		k.PageUp, k.Top, k.DeleteWord, k.DeleteToStart, k.Yank, k.Messages, k.Members, k.Find, k.Help, k.Close, k.Save, k.Redraw, k.Quit,
	}
}
