package api

import (
	"strings"
	"unicode/utf8"
)

// ActionPrefix at the start of a text makes the message a [MessageAction].
const ActionPrefix = "/me "

// CheckText tells whether text can be sent as a message: valid UTF-8, 1 byte
// to [MaxText], and not an action without words. Errors: too-long, bad-text.
// Clients check before they encode, since JSON would replace invalid UTF-8
// without a word; the node checks what it is given.
func CheckText(text string) error {
	switch {
	case len(text) > MaxText:
		return Errorf(CodeTooLong, "the text is %d bytes long, the limit is %d", len(text), MaxText)
	case !utf8.ValidString(text):
		return Errorf(CodeBadText, "the text is not valid UTF-8")
	case text == "":
		return Errorf(CodeBadText, "the text is empty")
	case text == ActionPrefix:
		return Errorf(CodeBadText, "an action needs words after %q", ActionPrefix)
	}
	return nil
}

// CheckStatus is [CheckText] for a status line of 0 to [MaxStatus] bytes.
func CheckStatus(text string) error {
	switch {
	case len(text) > MaxStatus:
		return Errorf(CodeTooLong, "the status line is %d bytes long, the limit is %d", len(text), MaxStatus)
	case !utf8.ValidString(text):
		return Errorf(CodeBadText, "the status line is not valid UTF-8")
	}
	return nil
}

// SplitAction gives the kind and the kept text of a message as it was typed.
func SplitAction(text string) (kind, kept string) {
	if rest, ok := strings.CutPrefix(text, ActionPrefix); ok {
		return MessageAction, rest
	}
	return MessageText, text
}
