-- Archives that a replay reads before the raw topics, [[folder, sha256], ...], and how many records its copies of both
-- came to hold, [[topic, partition, records], ...]; null while they are being loaded, and where there is no archive.
ALTER TABLE replay ADD COLUMN archives jsonb NOT NULL DEFAULT '[]';
ALTER TABLE replay ADD COLUMN loaded jsonb;
