package tui

import (
	"testing"

	"p2pchat/node/api"
)

// What the node says names commands of the shell; here there are others.
func TestAdvice(t *testing.T) {
	t.Parallel()
	for said, want := range map[string]string{
		"you have blocked bob: unblock him first (`p2pchat unblock`)":               "you have blocked bob: unblock him first (/unblock bob)",
		"you are not in the room \"dev\"; `p2pchat room join '#the dev'` enters it": "you are not in the room \"dev\"; /join \"#the dev\" enters it",
		"you are not in this room; `p2pchat room join ROOM` enters it":              "you are not in this room; /join ROOM enters it",
		"this is your own message: `p2pchat retract` takes it back":                 "this is your own message: /retract takes it back",
		"moderators of a room have `p2pchat room retract`":                          "moderators of a room have /retract",
		"`p2pchat log --ids` lists their IDs":                                       "F3 lists them",
		"`p2pchat room invites` lists them":                                         "/rooms lists them",
		"`p2pchat rooms --all` lists those that are":                                "/rooms lists those that are",
		"`p2pchat peers` lists who has":                                             "/peers lists who has",
		"`p2pchat peers add MULTIADDR` finds a peer":                                "/add MULTIADDR finds a peer",
		"run `p2pchat doctor` there":                                                "run `p2pchat doctor` there",
	} {
		if got := cleanError(api.Errorf(api.CodeNotFound, "%s", said)); got != want {
			t.Errorf("%s: says %s, want %s", said, got, want)
		}
	}
}
