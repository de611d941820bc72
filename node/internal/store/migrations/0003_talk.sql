-- ID of the text that an edit, a retraction or a reaction is about, which need not
-- be here; null of everything else.
ALTER TABLE event ADD COLUMN target BLOB;
CREATE INDEX event_target ON event (target, kind, time) WHERE target IS NOT NULL;
