-- Unbroken lines of a room's messages that the rules judged alike: what a room
-- need not read message by message when it is loaded. A line is gone as soon as
-- anything in it changes.
CREATE TABLE line (
	log     INTEGER NOT NULL REFERENCES log,
	first   INTEGER NOT NULL,               -- seq
	last    INTEGER NOT NULL,
	prev    BLOB NOT NULL,                  -- ID before the first
	id      BLOB NOT NULL,                  -- of the last
	time    INTEGER NOT NULL,               -- of the last, hybrid clock, top bit flipped
	kind    INTEGER NOT NULL,               -- of one of them
	ctl     BLOB NOT NULL,                  -- IDs cited by all, 32 bytes each
	verdict INTEGER NOT NULL,
	cause   BLOB NOT NULL,                  -- of the verdict
	PRIMARY KEY (log, first)
) STRICT, WITHOUT ROWID;
