-- What a room's rules say of a message: 0 no rules apply, 1 waiting, 2 visible,
-- 3 hidden, 4 retracted, 5 refused and kept for its place only.
ALTER TABLE event ADD COLUMN verdict INTEGER NOT NULL DEFAULT 0;
-- 1: neither unread nor the latest of a conversation (somebody joined, say).
ALTER TABLE event ADD COLUMN quiet INTEGER NOT NULL DEFAULT 0;

-- ID of the event at low - 1 as others told it, null if none did.
ALTER TABLE log ADD COLUMN below BLOB;

-- What is listed, in the order of display.
DROP INDEX event_order;
CREATE INDEX event_order ON event (conv, time) WHERE lane = 1 AND verdict IN (0, 2, 4);
CREATE INDEX event_control ON event (conv, time) WHERE lane = 2;

-- Our own part in a room.
CREATE TABLE room (
	conv   INTEGER PRIMARY KEY REFERENCES conversation,
	joined INTEGER NOT NULL,
	nick   TEXT NOT NULL,                   -- ours
	present INTEGER NOT NULL DEFAULT 0      -- when somebody was last here, Unix ms; 0: not noted
) STRICT;

-- Keys that the room's traffic is sealed with.
CREATE TABLE epoch (
	conv INTEGER NOT NULL REFERENCES conversation,
	id   BLOB NOT NULL,                     -- of the event that announces it
	key  BLOB NOT NULL,                     -- 32 bytes
	PRIMARY KEY (conv, id)
) STRICT, WITHOUT ROWID;

-- Whom we let into a room with a password, or who was in it before it had one.
CREATE TABLE admitted (
	conv INTEGER NOT NULL REFERENCES conversation,
	peer INTEGER NOT NULL REFERENCES peer,
	PRIMARY KEY (conv, peer)
) STRICT, WITHOUT ROWID;

-- What members know of a room's password, sealed with a key of the account's.
CREATE TABLE secret (
	conv       INTEGER PRIMARY KEY REFERENCES conversation,
	generation INTEGER NOT NULL,            -- of the password
	sealed     BLOB NOT NULL
) STRICT;

-- What is asked of the direct conversations about rooms.
CREATE INDEX event_invite ON event (kind) WHERE kind IN (24, 25) AND lane = 1 AND verdict = 0;
