-- A replay reads the raw topics and nothing else.
ALTER TABLE replay DROP COLUMN archive;
