package api

import (
	"strings"
	"unicode"
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

// CheckReaction tells whether text can be a reaction: one line of valid UTF-8 with
// something to be seen, 1 to [MaxReaction] bytes. Errors: too-long, bad-text.
func CheckReaction(text string) error {
	switch {
	case len(text) > MaxReaction:
		return Errorf(CodeTooLong, "the reaction is %d bytes long, the limit is %d: an emoji or a short word", len(text), MaxReaction)
	case !utf8.ValidString(text):
		return Errorf(CodeBadText, "the reaction is not valid UTF-8")
	case text == "":
		return Errorf(CodeBadText, "the reaction is empty")
	case strings.ContainsFunc(text, func(r rune) bool { return unicode.In(r, unicode.Cc, unicode.Zl, unicode.Zp) }):
		return Errorf(CodeBadText, "a reaction is one line without control characters")
	case !strings.ContainsFunc(text, func(r rune) bool { return unicode.In(r, unicode.L, unicode.N, unicode.P, unicode.S) }):
		return Errorf(CodeBadText, "of the reaction %q nothing would be seen", text)
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

// CheckRoomName tells whether a room can be called name: one line of valid
// UTF-8, 1 to [MaxRoomName] characters, no blank first or last. Errors: too-long, bad-text.
func CheckRoomName(name string) error {
	if err := checkLine("a room's name", name, MaxRoomName); err != nil {
		return err
	}
	if name != strings.TrimSpace(name) {
		return Errorf(CodeBadText, "a room's name cannot begin or end with a blank: it would look like another's")
	}
	return nil
}

// CheckNick is [CheckRoomName] for a nick of 1 to [MaxNick] characters.
// It must not look like how people or rooms are named, or marked here.
func CheckNick(nick string) error {
	if err := checkLine("a nick", nick, MaxNick); err != nil {
		return err
	}
	if strings.ContainsAny(nick, "@#~:/()") {
		return Errorf(CodeBadText, "a nick has none of @ # ~ : / ( ) in it")
	}
	return nil
}

func checkLine(what, text string, limit int) error {
	switch {
	case !utf8.ValidString(text):
		return Errorf(CodeBadText, "%s must be valid UTF-8", what)
	case strings.TrimSpace(text) == "":
		return Errorf(CodeBadText, "%s cannot be empty", what)
	case utf8.RuneCountInString(text) > limit:
		return Errorf(CodeTooLong, "%s of %d characters: at most %d", what, utf8.RuneCountInString(text), limit)
	case strings.ContainsFunc(text, unicode.IsControl):
		return Errorf(CodeBadText, "%s must be one line without control characters", what)
	case strings.ContainsFunc(text, turnsText):
		return Errorf(CodeBadText, "%s must not change the direction of writing", what)
	}
	return nil
}

// turnsText tells whether r makes what follows read in another order than it is
// written (Unicode's explicit directional formatting).
func turnsText(r rune) bool {
	return r >= '\u202a' && r <= '\u202e' || r >= '\u2066' && r <= '\u2069'
}

// CheckSubject is [CheckText] for a subject of 0 to [MaxSubject] bytes in one line.
func CheckSubject(subject string) error { return checkBytes("a subject", subject, MaxSubject) }

// CheckReason is [CheckSubject] for a reason of at most [MaxReason] bytes.
func CheckReason(reason string) error { return checkBytes("a reason", reason, MaxReason) }

func checkBytes(what, text string, limit int) error {
	switch {
	case len(text) > limit:
		return Errorf(CodeTooLong, "%s of %d bytes: at most %d", what, len(text), limit)
	case !utf8.ValidString(text):
		return Errorf(CodeBadText, "%s must be valid UTF-8", what)
	case strings.ContainsFunc(text, unicode.IsControl):
		return Errorf(CodeBadText, "%s must be one line without control characters", what)
	}
	return nil
}

// Listed tells whether a message of this kind is listed without
// [LogQuery.All]: what was said, not what happened to the room.
func Listed(kind string) bool {
	switch kind {
	case MessageJoin, MessageLeave, MessageNick, MessageSubject, MessageGovern, MessageEpoch,
		MessageInvite, MessageAnswer, MessageVoiceRequest, MessageEdit, MessageRetraction, MessageReaction, MessageUnreaction:
		return false
	}
	return true
}
