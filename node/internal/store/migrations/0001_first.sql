-- Peers, conversations and logs have a small integer each; everything else
-- refers to them by it.
CREATE TABLE peer (
	n  INTEGER PRIMARY KEY,
	id BLOB NOT NULL UNIQUE -- bytes of the peer ID
) STRICT;

CREATE TABLE account (
	one     INTEGER PRIMARY KEY CHECK (one = 1),
	peer    INTEGER NOT NULL REFERENCES peer,
	name    TEXT NOT NULL,
	status  TEXT NOT NULL,
	away    INTEGER NOT NULL,
	created INTEGER NOT NULL -- Unix ms
) STRICT;

CREATE TABLE clock (
	one  INTEGER PRIMARY KEY CHECK (one = 1),
	time INTEGER NOT NULL -- hybrid clock, top bit flipped
) STRICT;

CREATE TABLE conversation (
	n      INTEGER PRIMARY KEY,
	id     BLOB NOT NULL UNIQUE,            -- 32 bytes
	kind   INTEGER NOT NULL DEFAULT 0,      -- 0 not registered, 1 of two people, 2 room
	other  INTEGER REFERENCES peer,         -- the other person of two
	last   INTEGER,                         -- latest time of an event, hybrid clock, top bit flipped
	active INTEGER                          -- latest arrival of an event, Unix ms
) STRICT;

CREATE TABLE log (
	n       INTEGER PRIMARY KEY,
	conv    INTEGER NOT NULL REFERENCES conversation,
	author  INTEGER NOT NULL REFERENCES peer,
	log     BLOB NOT NULL,                  -- 8 bytes
	low     INTEGER NOT NULL DEFAULT 1,     -- what is below counts as held
	head    INTEGER NOT NULL DEFAULT 0,     -- held without a gap up to here
	head_id BLOB,                           -- lowest ID at head; null if nothing is held there
	top     INTEGER NOT NULL DEFAULT 0,     -- highest seq held
	seen    INTEGER NOT NULL DEFAULT 0,     -- our own read marker
	unread  INTEGER NOT NULL DEFAULT 0,     -- events held with seq > seen
	acked   INTEGER NOT NULL DEFAULT 0,     -- what the other person of two has committed
	UNIQUE (conv, author, log)
) STRICT;
CREATE INDEX log_queued ON log (author) WHERE top > acked;

-- Logs that this installation writes or wrote.
CREATE TABLE own_log (
	conv    INTEGER NOT NULL REFERENCES conversation,
	log     BLOB NOT NULL,
	retired INTEGER NOT NULL DEFAULT 0,
	PRIMARY KEY (conv, log)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX own_log_current ON own_log (conv) WHERE retired = 0;

CREATE TABLE event (
	n         INTEGER PRIMARY KEY,
	id        BLOB NOT NULL UNIQUE,         -- 32 bytes; decides what is a duplicate
	conv      INTEGER NOT NULL REFERENCES conversation,
	author    INTEGER NOT NULL REFERENCES peer,
	lane      INTEGER NOT NULL,             -- 1 message, 2 control
	log       INTEGER REFERENCES log,       -- null in the control lane, like seq
	seq       INTEGER,
	time      INTEGER NOT NULL,             -- hybrid clock, top bit flipped
	kind      INTEGER NOT NULL,
	received  INTEGER NOT NULL,             -- Unix ms
	header    BLOB NOT NULL,
	signature BLOB NOT NULL,
	body      BLOB,                         -- null if empty or dropped
	CHECK ((lane = 1) = (log IS NOT NULL) AND (lane = 1) = (seq IS NOT NULL))
) STRICT;
CREATE INDEX event_log ON event (log, seq) WHERE log IS NOT NULL;
CREATE INDEX event_order ON event (conv, time) WHERE lane = 1;

-- What somebody says he has committed or read: a position per log, which need
-- not be one that we hold.
CREATE TABLE mark (
	conv   INTEGER NOT NULL REFERENCES conversation,
	holder INTEGER NOT NULL REFERENCES peer,
	what   INTEGER NOT NULL,                -- 1 committed, 2 read
	author INTEGER NOT NULL REFERENCES peer,
	log    BLOB NOT NULL,
	seq    INTEGER NOT NULL,
	id     BLOB NOT NULL,
	PRIMARY KEY (conv, holder, what, author, log)
) STRICT, WITHOUT ROWID;

CREATE TABLE contact (
	peer         INTEGER PRIMARY KEY REFERENCES peer,
	name         TEXT NOT NULL,
	status       TEXT NOT NULL,
	away         INTEGER NOT NULL,
	profile      BLOB,                      -- signed, as received
	profile_time INTEGER,                   -- Unix ms, like the others
	addrs        TEXT NOT NULL,             -- JSON array of multiaddrs
	via          TEXT NOT NULL,
	static       INTEGER NOT NULL,
	first_seen   INTEGER,
	last_seen    INTEGER,
	verified     INTEGER NOT NULL,
	blocked      INTEGER NOT NULL,
	pinned_name  TEXT NOT NULL
) STRICT;

CREATE TABLE static_addr (
	addr  TEXT PRIMARY KEY
) STRICT, WITHOUT ROWID;
