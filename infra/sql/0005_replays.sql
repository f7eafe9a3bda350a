-- Replays: which there are and what each was asked for. Facts are rows of the fact tables with replay = id.
-- begins and ends are [[topic, partition, offset], ...] of the raw topics when the replay was planned. What came
-- before known_after was not all there any more.
CREATE TABLE replay (
    id           text        PRIMARY KEY CHECK (id ~ '^[a-z0-9-]{1,32}$' AND id NOT IN ('live', 'dlq', 'state')),
    from_time    timestamptz NOT NULL,
    to_time      timestamptz NOT NULL,
    symbols      text[]      NOT NULL,
    archive      text,
    scorer       text        NOT NULL,
    code         text        NOT NULL,
    cluster      text        NOT NULL,
    begins       jsonb       NOT NULL,
    ends         jsonb       NOT NULL,
    known_after  timestamptz,
    planned_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    completed_at timestamptz
);

-- Which code made the live facts, and from when on.
CREATE TABLE build (
    code  text        NOT NULL,
    since timestamptz NOT NULL DEFAULT clock_timestamp()
);
