package api

// SecretType says which field of a [Secret] is set.
type SecretType string

// The types of secret. Whoever gets them ignores types that he does not know.
const (
	SecretListening SecretType = "listening" // none: from now on nothing is missed
	SecretSession   SecretType = "session"   // Session
	SecretRoom      SecretType = "room"      // Room
	SecretPerson    SecretType = "person"    // Person
	SecretReopened  SecretType = "reopened"  // Reopened: every connection was opened anew
)

// Secret is one thing it takes to read captured traffic of a node.
type Secret struct {
	Type SecretType `json:"type"`
	// Session is a line of the NSS key log format, without its end: a label, the
	// client's random (hex) and a secret (hex). It opens a direction of a TLS
	// session, TCP's or QUIC's.
	Session  string    `json:"session,omitempty"`
	Room     *RoomKey  `json:"room,omitempty"`
	Person   *Person   `json:"person,omitempty"`
	Reopened *Reopened `json:"reopened,omitempty"`
}

// RoomKey opens the envelopes of a room under one epoch.
type RoomKey struct {
	RoomID string `json:"room_id"`
	Name   string `json:"name"`
	Topic  string `json:"topic"` // its GossipSub topic
	Epoch  string `json:"epoch"` // ID of the event that announced it, hex; the room's own for the first
	Key    string `json:"key"`   // 32 bytes, hex
}

// Person is somebody, as this node knows him.
type Person struct {
	PeerID string `json:"peer_id"`
	Name   string `json:"name"` // "" if he never said
}

// Reopened tells what came of opening every connection anew.
type Reopened struct {
	// Missing are those who were connected and are not again: should they speak
	// only Noise, they cannot be while secrets are captured.
	Missing []Person `json:"missing,omitempty"`
}
