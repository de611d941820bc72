package tui

import "github.com/charmbracelet/x/ansi"

// What a terminal that can count grapheme clusters answers.
const (
	modeUnicodeCore = ansi.ModeUnicodeCore
	modeReset       = ansi.ModeReset
)
