-- What changes with every message is as little as it can be: a page written less is
-- a message that is safe sooner. When a conversation's latest message was said is
-- looked up in event_order, and our clock stands in the row of a log that changes
-- anyway; what is in table clock counts where it is ahead of that.
ALTER TABLE conversation DROP COLUMN last;
ALTER TABLE conversation DROP COLUMN active;
ALTER TABLE log ADD COLUMN clock INTEGER; -- when this row was written, hybrid clock, top bit flipped; null: not known
DROP INDEX log_queued;
CREATE INDEX log_author ON log (author);

-- Made anew, since with contentless_delete the words of what was taken back stay in
-- it. Now they are taken out of it one by one: whoever does has to know the text.
DROP TABLE search;
CREATE VIRTUAL TABLE search USING fts5 (text, content = '', tokenize = 'unicode61 remove_diacritics 2');
INSERT INTO search (search, rank) VALUES ('secure-delete', 1);
UPDATE indexed SET n = 0;
