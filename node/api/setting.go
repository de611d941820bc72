package api

// SettingSpec is a setting of a room that `room config` knows.
type SettingSpec struct {
	Key string
	// Values are examples or, where Free is false, all there are; the first is
	// the default. None: the default is the empty text.
	Values []string
	Free   bool
}

// RoomSettings lists a room's settings in the order in which they are shown.
func RoomSettings() []SettingSpec {
	yes, no := []string{"true", "false"}, []string{"false", "true"}
	return []SettingSpec{
		{Key: "name", Free: true},
		{Key: "description", Free: true},
		{Key: "language", Free: true},
		{Key: "visible", Values: yes},
		{Key: "access", Values: []string{AccessOpen, AccessMembersOnly}},
		{Key: "moderated", Values: no},
		{Key: "persistent", Values: yes},
		{Key: "logging", Values: no},
		{Key: "subject_by", Values: []string{"moderators", "participants"}},
		{Key: "invite_by", Values: []string{"participants", "moderators", "everyone"}},
		{Key: "pm_by", Values: []string{"everyone", "moderators", "nobody"}},
		{Key: "history", Values: []string{"all", "none"}, Free: true},
		{Key: "max_occupants", Values: []string{"0"}, Free: true},
		{Key: "slow_mode", Values: []string{"0s"}, Free: true},
		{Key: "min_version", Values: []string{"1"}, Free: true},
	}
}
