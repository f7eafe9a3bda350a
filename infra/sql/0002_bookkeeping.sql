-- What a sink has stored: everything of a partition below next_offset. Rows are moved by compare-and-swap in
-- the transaction that stores the facts, so a fact is stored once whatever dies.
CREATE TABLE sink_offset (
    sink        text        NOT NULL,
    replay      text        NOT NULL,
    topic       text        NOT NULL,
    partition   integer     NOT NULL,
    next_offset bigint      NOT NULL,
    updated_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (sink, replay, topic, partition)
) WITH (fillfactor = 50);

-- Dead letters: the original's place, why it failed, and the original itself. topic_partition and topic_offset
-- are the letter's own place in dlq_topic. headers is [[name, text], ...] of the original's own headers; a value
-- that is not UTF-8 is {"base64": ...}, a missing one null.
CREATE TABLE dead_letter (
    origin_topic     text        NOT NULL,
    origin_partition integer     NOT NULL,
    origin_offset    bigint      NOT NULL,
    stage            text        NOT NULL,
    reason           text        NOT NULL,
    error            text        NOT NULL,
    message          text        NOT NULL,
    attempts         integer     NOT NULL,
    consumer_group   text        NOT NULL,
    first_failed_at  timestamptz,
    key              bytea,
    value            bytea,
    headers          jsonb       NOT NULL,
    dlq_topic        text        NOT NULL,
    replay           text        NOT NULL DEFAULT 'live',
    topic_partition  integer     NOT NULL,
    topic_offset     bigint      NOT NULL,
    stored_at        timestamptz NOT NULL DEFAULT clock_timestamp()
);
-- A sink that dies between writing a letter and moving its ledger writes it again: the second one is not stored.
-- The value belongs to the identity because a producer's letters name a file and a line, and files recur.
CREATE UNIQUE INDEX dead_letter_identity ON dead_letter
    (replay, dlq_topic, origin_topic, origin_partition, origin_offset, consumer_group, (md5(coalesce(value, ''))));
CREATE INDEX dead_letter_by_reason ON dead_letter (reason, first_failed_at DESC);
