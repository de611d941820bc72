-- What changes with every message is as little as it can be: a page written less is
-- a message that is safe sooner. When a conversation's latest message was said is
-- looked up in event_order, and our clock stands in the row of a log that changes
-- anyway; what is in table clock counts where it is ahead of that.
ALTER TABLE conversation DROP COLUMN last;
ALTER TABLE conversation DROP COLUMN active;
ALTER TABLE log ADD COLUMN clock INTEGER; -- when this row was written, hybrid clock, top bit flipped; null: not known
DROP INDEX log_queued;
CREATE INDEX log_author ON log (author);
