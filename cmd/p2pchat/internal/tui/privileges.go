package tui

import (
	"strings"

	"p2pchat/node/api"
)

// What one may do in a room, as a sentence that says why not, or "". The
// service decides; this is for showing what it would say before it is asked.

// ladder orders the standings.
var ladder = map[string]int{
	api.StandingOutcast: 0, api.StandingNone: 1, api.StandingMember: 2, api.StandingModerator: 3, api.StandingAdmin: 4, api.StandingOwner: 5,
}

// privilege is what one needs to stand for an act, and how a refusal says so.
type privilege struct {
	need string // the lowest standing that may
	only string // who may, in words
}

const (
	moderators = "only moderators, admins and owners "
	admins     = "only admins and owners "
	owners     = "only owners "
)

// privileges is the table of docs/ROOMS.md; grants are by what is granted.
var privileges = map[string]privilege{
	api.ActKick:    {api.StandingModerator, moderators + "kick"},
	api.ActVoice:   {api.StandingModerator, moderators + "give voice"},
	api.ActDevoice: {api.StandingModerator, moderators + "take voice"},
	api.ActRetract: {api.StandingModerator, moderators + "retract what others said"},
	api.ActBan:     {api.StandingAdmin, admins + "ban"},
	api.ActUnban:   {api.StandingAdmin, admins + "lift bans"},
	api.ActDestroy: {api.StandingOwner, owners + "destroy a room"},
	actConfigure:   {api.StandingOwner, owners + "configure a room"},

	grant(api.StandingOutcast):   {api.StandingAdmin, admins + "ban"},
	grant(api.StandingNone):      {api.StandingAdmin, admins + "take a standing"},
	grant(api.StandingMember):    {api.StandingAdmin, admins + "make members"},
	grant(api.StandingModerator): {api.StandingAdmin, admins + "make moderators"},
	grant(api.StandingAdmin):     {api.StandingOwner, owners + "make admins"},
	grant(api.StandingOwner):     {api.StandingOwner, owners + "make owners"},
}

const actConfigure = "configure"

// grant is the key of privileges for a grant of standing.
func grant(standing string) string { return api.ActGrant + " " + standing }

// whyNot says why one who stands there may not do act in general.
func whyNot(standing, act string) string {
	if p := privileges[act]; ladder[standing] < ladder[p.need] {
		return p.only
	}
	return ""
}

// whyNotTo says why me may not do act to p. act is a key of privileges.
func whyNotTo(me, p person, act string) string {
	switch {
	case p.creator:
		return "nobody can touch who made the room"
	case p.self && ladder[me.standing] < ladder[api.StandingMember]:
		return whyNot(me.standing, act)
	case p.self && act != api.ActBan && !strings.HasPrefix(act, api.ActGrant):
		return "that is you"
	case p.self:
		for s := range ladder {
			if act == grant(s) && ladder[s] >= ladder[me.standing] {
				return "one can only lower oneself"
			}
		}
		return ""
	}
	if why := whyNot(me.standing, act); why != "" {
		return why
	}
	mine, theirs := ladder[me.standing], ladder[p.standing]
	switch {
	case mine > theirs, mine == theirs && p.standing == api.StandingOwner && me.depth < p.depth:
		return ""
	case p.standing == api.StandingOwner:
		return p.label + " is an owner: only one nearer to who made the room may"
	case mine == theirs:
		return p.label + " stands as high as you"
	}
	return p.label + " stands higher than you"
}

// idle says why an act would change nothing.
func idle(p person, act string) string {
	switch {
	case act == api.ActVoice && p.voice == "voice":
		return p.label + " has been given voice already"
	case act == api.ActDevoice && p.voice == "devoiced":
		return "the voice of " + p.label + " has been taken already"
	case act == api.ActKick && p.member == nil:
		return p.label + " is not in the room"
	case act == api.ActBan && p.standing == api.StandingOutcast:
		return p.label + " is banned already"
	case act == api.ActUnban && p.standing != api.StandingOutcast:
		return p.label + " is not banned"
	case act == grant(p.standing) && p.standing == api.StandingNone:
		return p.label + " has none"
	case act == grant(p.standing):
		return p.label + " is that already"
	}
	return ""
}

// setting is a room's setting, or its default while it is not known.
func (r *rules) setting(key string) string {
	if v, ok := r.config[key]; ok {
		return v
	}
	for _, s := range api.RoomSettings() {
		if s.Key == key && len(s.Values) > 0 {
			return s.Values[0]
		}
	}
	return ""
}

// whyMute says why one may not speak in t.
func (m *model) whyMute(t *talk) string {
	switch {
	case t == nil || t.room == nil:
		return ""
	case t.room.left && t.room.Destroyed:
		return t.label() + " was destroyed"
	case t.room.left && t.room.banned:
		return "you were banned from " + t.label()
	case t.room.left:
		by := t.label()
		if t.twin {
			by = clean(t.key)
		}
		return "you are no longer in " + t.label() + "; /join " + by + " goes back in"
	case t.room.Role != api.RoleVisitor:
		return ""
	case m.selfIn(t).voice == "devoiced":
		return "your voice was taken: you may listen; /voice-request asks for it"
	}
	return "the room is moderated, and you may listen; /voice-request asks for voice"
}

// whyNoSubject says why one may not change the subject.
func (m *model) whyNoSubject(t *talk) string {
	switch r := t.room; {
	case ladder[r.Standing] >= ladder[api.StandingModerator]:
		return ""
	case r.rules.setting("subject_by") != "participants":
		return moderators + "change the subject here"
	}
	return m.whyMute(t)
}

// whyNoInvite says why one may not invite somebody who stands there.
func (m *model) whyNoInvite(t *talk, standing string) string {
	r := t.room
	by := r.rules.setting("invite_by")
	switch {
	case standing == api.StandingOutcast:
		return "banned: lift the ban first"
	case r.Access == api.AccessMembersOnly && ladder[standing] < ladder[api.StandingMember] && ladder[r.Standing] < ladder[api.StandingAdmin]:
		return "this room is for members only, and " + admins + "make members"
	case ladder[r.Standing] >= ladder[api.StandingModerator], by == "everyone":
		return ""
	case by == "moderators":
		return moderators + "invite here"
	case r.Role == api.RoleVisitor:
		return "only those who may speak invite here"
	}
	return ""
}

// whyNoPrivate says why one may not write to p privately.
func (m *model) whyNoPrivate(t *talk, p person) string {
	moderates := func(s string) bool { return ladder[s] >= ladder[api.StandingModerator] }
	switch by := t.room.rules.setting("pm_by"); {
	case p.self:
		return "that is you"
	case p.member == nil:
		return p.label + " is not in the room"
	case by == "nobody":
		return "there are no private messages in this room"
	case by == "moderators" && !moderates(t.room.Standing) && !moderates(p.standing):
		return "private messages here go to or come from a moderator"
	}
	return ""
}
