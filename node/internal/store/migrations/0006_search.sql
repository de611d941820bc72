-- The words of messages, made from the events behind their arrival. A row's
-- number is the event's time in Unix seconds times 2^31, plus its n.
CREATE VIRTUAL TABLE search USING fts5 (text, content = '', contentless_delete = 1, tokenize = 'unicode61 remove_diacritics 2');

CREATE TABLE indexed (
	one INTEGER PRIMARY KEY CHECK (one = 1),
	n   INTEGER NOT NULL                    -- events up to this one are in the index
) STRICT;
INSERT INTO indexed (one, n) VALUES (1, 0);

-- 1: it names us, by what we were called when it came.
ALTER TABLE event ADD COLUMN mention INTEGER NOT NULL DEFAULT 0;
CREATE INDEX event_mention ON event (log, seq) WHERE mention = 1;
