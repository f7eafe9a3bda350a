-- The facts: one table for each topic, a row for each record, columns named as the fields of schemas/*.avsc.
-- A revision is a new row. Where a row came from stands in replay, topic_partition and topic_offset.
-- Indexes serve "this symbol, newest first, greatest revision first"; as_of needs none of its own, because
-- known_time >= event_time, so that "known by T" lies within "happened by T".

CREATE TABLE quote (
    source          text             NOT NULL,
    symbol          text             NOT NULL,
    event_time      timestamptz      NOT NULL,
    ingest_time     timestamptz      NOT NULL,
    price           double precision NOT NULL,
    volume          double precision,
    bid             double precision,
    ask             double precision,
    bid_size        double precision,
    ask_size        double precision,
    currency        text,
    session         text             NOT NULL,
    sequence        bigint,
    bar_interval    integer,
    bar_open        double precision,
    bar_high        double precision,
    bar_low         double precision,
    bar_volume      double precision,
    revision        integer          NOT NULL,
    flags           text[]           NOT NULL,
    replay          text             NOT NULL DEFAULT 'live',
    topic_partition integer          NOT NULL,
    topic_offset    bigint           NOT NULL,
    stored_at       timestamptz      NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX quote_by_symbol ON quote (symbol, event_time DESC, revision DESC);
CREATE INDEX quote_by_time ON quote (event_time DESC);

CREATE TABLE bar (
    symbol          text             NOT NULL,
    interval        integer          NOT NULL,
    start           timestamptz      NOT NULL,
    event_time      timestamptz      NOT NULL,
    known_time      timestamptz      NOT NULL,
    revision        integer          NOT NULL,
    open            double precision NOT NULL,
    high            double precision NOT NULL,
    low             double precision NOT NULL,
    close           double precision NOT NULL,
    volume          double precision NOT NULL,
    trades          integer          NOT NULL,
    vwap            double precision,
    source          text             NOT NULL,
    flags           text[]           NOT NULL,
    return_log      double precision,
    sma20           double precision,
    ema12           double precision,
    ema26           double precision,
    macd            double precision,
    macd_signal     double precision,
    rsi14           double precision,
    bollinger_upper double precision,
    bollinger_lower double precision,
    atr14           double precision,
    volatility20    double precision,
    obv             double precision,
    replay          text             NOT NULL DEFAULT 'live',
    topic_partition integer          NOT NULL,
    topic_offset    bigint           NOT NULL,
    stored_at       timestamptz      NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX bar_by_symbol ON bar (symbol, interval, event_time DESC, revision DESC);
CREATE INDEX bar_by_time ON bar (interval, event_time DESC);

CREATE TABLE post (
    source          text             NOT NULL,
    post_id         text             NOT NULL,
    revision        integer          NOT NULL,
    event_time      timestamptz      NOT NULL,
    ingest_time     timestamptz      NOT NULL,
    author          text,
    community       text,
    url             text,
    language        text,
    spam            double precision NOT NULL,
    flags           text[]           NOT NULL,
    deleted         boolean          NOT NULL,
    mentions        jsonb            NOT NULL,
    score           double precision,
    positive        double precision,
    negative        double precision,
    neutral         double precision,
    label           text,
    model           text,
    model_version   text,
    replay          text             NOT NULL DEFAULT 'live',
    topic_partition integer          NOT NULL,
    topic_offset    bigint           NOT NULL,
    stored_at       timestamptz      NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX post_by_id ON post (source, post_id, revision DESC);
CREATE INDEX post_by_time ON post (source, event_time DESC);
-- Few rows, looked up with every chunk of posts and mentions.
CREATE INDEX post_deleted ON post (source, post_id, revision DESC) WHERE deleted;

CREATE TABLE mention (
    symbol          text             NOT NULL,
    source          text             NOT NULL,
    post_id         text             NOT NULL,
    revision        integer          NOT NULL,
    event_time      timestamptz      NOT NULL,
    ingest_time     timestamptz      NOT NULL,
    author          text,
    community       text,
    url             text,
    rule            text             NOT NULL,
    confidence      double precision NOT NULL,
    spam            double precision NOT NULL,
    flags           text[]           NOT NULL,
    deleted         boolean          NOT NULL,
    score           double precision,
    positive        double precision,
    negative        double precision,
    neutral         double precision,
    label           text,
    model           text,
    model_version   text,
    fingerprint     bigint,
    words           text[]           NOT NULL,
    replay          text             NOT NULL DEFAULT 'live',
    topic_partition integer          NOT NULL,
    topic_offset    bigint           NOT NULL,
    stored_at       timestamptz      NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX mention_by_symbol ON mention (symbol, event_time DESC, revision DESC);
CREATE INDEX mention_by_post ON mention (source, post_id, revision DESC);

CREATE TABLE sentiment (
    symbol          text             NOT NULL,
    interval        integer          NOT NULL,
    start           timestamptz      NOT NULL,
    event_time      timestamptz      NOT NULL,
    known_time      timestamptz      NOT NULL,
    revision        integer          NOT NULL,
    mentions        integer          NOT NULL,
    duplicates      integer          NOT NULL,
    authors         integer          NOT NULL,
    score           double precision,
    positive        integer          NOT NULL,
    negative        integer          NOT NULL,
    neutral         integer          NOT NULL,
    score_stddev    double precision,
    score_weighted  double precision,
    buzz_z          double precision,
    sources         jsonb            NOT NULL,
    keywords        text[]           NOT NULL,
    coverage        double precision NOT NULL,
    model           text,
    model_version   text,
    replay          text             NOT NULL DEFAULT 'live',
    topic_partition integer          NOT NULL,
    topic_offset    bigint           NOT NULL,
    stored_at       timestamptz      NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX sentiment_by_symbol ON sentiment (symbol, interval, event_time DESC, revision DESC);
CREATE INDEX sentiment_by_time ON sentiment (interval, event_time DESC);

CREATE TABLE correlation (
    symbol          text             NOT NULL,
    interval        integer          NOT NULL,
    "window"        integer          NOT NULL,
    event_time      timestamptz      NOT NULL,
    known_time      timestamptz      NOT NULL,
    revision        integer          NOT NULL,
    pair            text             NOT NULL,
    method          text             NOT NULL,
    n               integer          NOT NULL,
    n_effective     double precision,
    r               double precision,
    p_value         double precision,
    ci_low          double precision,
    ci_high         double precision,
    lags            integer[]          NOT NULL,
    r_by_lag        double precision[] NOT NULL,
    best_lag        integer,
    p_best          double precision,
    status          text             NOT NULL,
    replay          text             NOT NULL DEFAULT 'live',
    topic_partition integer          NOT NULL,
    topic_offset    bigint           NOT NULL,
    stored_at       timestamptz      NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX correlation_by_symbol ON correlation (symbol, interval, "window", event_time DESC, revision DESC);
CREATE INDEX correlation_by_time ON correlation (interval, "window", event_time DESC);

CREATE TABLE gap (
    source          text             NOT NULL,
    stream          text             NOT NULL,
    start           timestamptz      NOT NULL,
    event_time      timestamptz      NOT NULL,
    reason          text             NOT NULL,
    missed          bigint,
    replay          text             NOT NULL DEFAULT 'live',
    topic_partition integer          NOT NULL,
    topic_offset    bigint           NOT NULL,
    stored_at       timestamptz      NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX gap_by_source ON gap (source, event_time DESC);

-- A symbol's valid row is the one with the greatest topic_offset (view latest_instrument).
CREATE TABLE instrument (
    symbol          text             NOT NULL,
    name            text             NOT NULL,
    exchange        text,
    currency        text,
    former_symbols  text[]           NOT NULL,
    aliases         text[]           NOT NULL,
    replay          text             NOT NULL DEFAULT 'live',
    topic_partition integer          NOT NULL,
    topic_offset    bigint           NOT NULL,
    stored_at       timestamptz      NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX instrument_by_symbol ON instrument (symbol, topic_offset DESC);
