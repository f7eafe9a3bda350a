-- A post's text and author stay in the topics, which forget them after 48 hours: of the dead letters of raw posts the
-- table keeps everything but the value. value_sha256, of an empty one where there is none, stands for it in the identity.

ALTER TABLE dead_letter ADD COLUMN value_sha256 bytea;
UPDATE dead_letter SET
    value_sha256 = sha256(coalesce(value, '')),
    value = CASE WHEN dlq_topic LIKE 'raw.posts.v1.%' THEN NULL ELSE value END;
ALTER TABLE dead_letter ALTER COLUMN value_sha256 SET NOT NULL;

DROP INDEX dead_letter_identity;
CREATE UNIQUE INDEX dead_letter_identity ON dead_letter
    (replay, dlq_topic, origin_topic, origin_partition, origin_offset, consumer_group, value_sha256);
