package localapi

import (
	"net/http"
	"time"

	"p2pchat/node/api"
)

const (
	apiVersion = 1
	prefix     = "/v1/"
	host       = "api.p2pchat"

	// maxRequest bounds a request's body, in bytes: a text of api.MaxText
	// bytes, each escaped as \u0000, and room for the rest.
	maxRequest = 256 << 10
	maxHeader  = 8 << 10
	// maxConns bounds the descriptors that faces can take from the node.
	maxConns = 256

	headerTimeout = 10 * time.Second // for a request's header, and for its body
	writeTimeout  = time.Minute      // for an answer, not for a stream
	stopTimeout   = 2 * time.Second  // for answers under way when the server stops
	attachTimeout = 5 * time.Second  // for the node to answer a client that attaches

	// The client gives up an unused connection before the server does, so
	// that no request is sent on one that is just being closed.
	clientIdle = time.Minute
	serverIdle = 2 * time.Minute
)

type (
	none  struct{}
	hello struct {
		API int `json:"api"`
	}
	peerAdd struct {
		Addr string `json:"addr"`
	}
	peerRemove struct {
		Who string `json:"who"`
	}
	peerMark struct {
		Who  string `json:"who"`
		Undo bool   `json:"undo"`
	}
	await struct {
		Sent api.Receipt   `json:"sent"`
		Wait time.Duration `json:"wait"`
	}
	markRead struct {
		Target string `json:"target"`
		ID     string `json:"id"`
	}
	typing struct {
		Target string `json:"target"`
	}
	away struct {
		Away bool   `json:"away"`
		Text string `json:"text"`
	}
	watch struct {
		Since uint64 `json:"since"`
	}
	rooms struct {
		All bool `json:"all"`
	}
	inRoom struct {
		Room string `json:"room"`
	}
	roomSubject struct {
		Room    string `json:"room"`
		Subject string `json:"subject"`
	}
	roomInvite struct {
		Room   string `json:"room"`
		Who    string `json:"who"`
		Reason string `json:"reason"`
	}
	roomPrivate struct {
		Room string        `json:"room"`
		Who  string        `json:"who"`
		Text string        `json:"text"`
		Wait time.Duration `json:"wait"`
	}
	roomPing struct {
		Room string        `json:"room"`
		Wait time.Duration `json:"wait"`
	}
)

// failure is the body of a failed call and the last line of a failed stream.
type failure struct {
	Error *api.Error `json:"error"`
}

// line is one line of a watch stream.
type line struct {
	api.Change
	Error *api.Error `json:"error,omitempty"`
}

// secretLine is one line of a stream of secrets.
type secretLine struct {
	api.Secret
	Error *api.Error `json:"error,omitempty"`
}

var statuses = map[api.Code]int{
	api.CodeUsage:        http.StatusBadRequest,
	api.CodeTooLong:      http.StatusRequestEntityTooLarge,
	api.CodeBadText:      http.StatusBadRequest,
	api.CodeNotFound:     http.StatusNotFound,
	api.CodeAmbiguous:    http.StatusConflict,
	api.CodeNotJoined:    http.StatusConflict,
	api.CodeInUse:        http.StatusConflict,
	api.CodeNoNode:       http.StatusServiceUnavailable,
	api.CodeDiskFull:     http.StatusInsufficientStorage,
	api.CodeNoPermission: http.StatusForbidden,
	api.CodeUnsupported:  http.StatusNotFound,

	// Refused by a room or a person's standing.
	api.CodeForbidden:          http.StatusForbidden,
	api.CodeBanned:             http.StatusForbidden,
	api.CodeMembershipRequired: http.StatusForbidden,
	api.CodeNotAuthorized:      http.StatusForbidden,
	api.CodeFull:               http.StatusForbidden,
	api.CodeNickConflict:       http.StatusForbidden,
	api.CodeDestroyed:          http.StatusForbidden,
	api.CodeTooFast:            http.StatusForbidden,
}

func status(c api.Code) int {
	if s, ok := statuses[c]; ok {
		return s
	}
	return http.StatusInternalServerError
}
