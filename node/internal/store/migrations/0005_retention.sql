-- How much of the history is kept; 0: no limit.
CREATE TABLE retention (
	one  INTEGER PRIMARY KEY CHECK (one = 1),
	age  INTEGER NOT NULL,                  -- ms
	size INTEGER NOT NULL                   -- bytes of the file in use
) STRICT;
