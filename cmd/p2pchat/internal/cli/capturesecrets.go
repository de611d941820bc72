package cli

import (
	"context"
	"fmt"
	"iter"
	"strings"

	"p2pchat/captures"
	"p2pchat/cmd/p2pchat/internal/term"
	"p2pchat/node/api"
)

// secretsWarning is told before a capture that can be read begins.
var secretsWarning = []string{
	"WARNING: with --secrets this capture is plaintext: whoever has it reads all that is said meanwhile, also what others say to you and in your rooms",
	"every connection of this node is closed and opened anew now, and once more at the end; what is under way is said again",
}

// readable is what a capture with secrets came to.
type readable struct {
	Sessions int      `json:"sessions"` // connections whose keys are in the file
	RoomKeys int      `json:"room_keys"`
	Missing  []string `json:"missing"` // peer IDs of those who were not connected again

	begins func() // nil, or told when the file and the sockets are there and the node is asked
}

// secrets brings what svc tells a capture into the words of package captures, and
// counts it.
func (r *readable) secrets(svc api.Service) captures.SecretsFunc {
	r.Missing = []string{}
	sessions, epochs := map[string]bool{}, map[string]bool{}
	return func(ctx context.Context) iter.Seq2[captures.Secret, error] {
		return func(yield func(captures.Secret, error) bool) {
			if r.begins != nil {
				r.begins()
			}
			for s, err := range svc.CaptureSecrets(ctx) {
				var out captures.Secret
				switch s.Type {
				case api.SecretSession:
					out.KeyLog = s.Session
					if f := strings.Fields(s.Session); len(f) > 1 {
						sessions[f[1]] = true
					}
				case api.SecretRoom:
					out.Comment = captures.RoomComment(s.Room.RoomID, s.Room.Topic, s.Room.Epoch, s.Room.Key, s.Room.Name)
					epochs[s.Room.Epoch] = true
				case api.SecretPerson:
					out.Comment = captures.PersonComment(s.Person.PeerID, s.Person.Name)
				case api.SecretReopened:
					out.Notice = r.reopened(*s.Reopened)
				}
				r.Sessions, r.RoomKeys = len(sessions), len(epochs)
				if !yield(out, err) || err != nil {
					return
				}
			}
		}
	}
}

// reopened says how it stands once connections were opened anew.
func (r *readable) reopened(what api.Reopened) string {
	if len(what.Missing) == 0 {
		return "every connection has been opened anew: from here on all can be read"
	}
	var names []string
	for _, p := range what.Missing {
		r.Missing = append(r.Missing, p.PeerID)
		name := p.PeerID
		if p.Name != "" {
			name = "@" + term.Clean(p.Name)
		}
		names = append(names, name)
	}
	return fmt.Sprintf("from here on all can be read; not connected again yet: %s", strings.Join(names, ", "))
}
