-- Which version of the facts readers see: the live flow, or a replay that somebody switched to. One row, so that
-- whoever reads sees one version or the other.
CREATE TABLE served (
    one         boolean     PRIMARY KEY DEFAULT true CHECK (one),
    replay      text        NOT NULL DEFAULT 'live',
    switched_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
INSERT INTO served DEFAULT VALUES;

-- A replay of last year has its newest rows far behind the live ones: the version leads every index.
-- One by one: TimescaleDB drops an index of a hypertable only alone.
DROP INDEX quote_by_symbol;
DROP INDEX quote_by_time;
DROP INDEX bar_by_symbol;
DROP INDEX bar_by_time;
DROP INDEX post_by_time;
DROP INDEX mention_by_symbol;
DROP INDEX sentiment_by_symbol;
DROP INDEX sentiment_by_time;
DROP INDEX correlation_by_symbol;
DROP INDEX correlation_by_time;
CREATE INDEX quote_by_symbol ON quote (replay, symbol, event_time DESC, revision DESC);
CREATE INDEX quote_by_time ON quote (replay, event_time DESC);
CREATE INDEX bar_by_symbol ON bar (replay, symbol, interval, event_time DESC, revision DESC);
CREATE INDEX bar_by_time ON bar (replay, interval, event_time DESC);
CREATE INDEX post_by_time ON post (replay, source, event_time DESC);
CREATE INDEX mention_by_symbol ON mention (replay, symbol, event_time DESC, revision DESC);
CREATE INDEX sentiment_by_symbol ON sentiment (replay, symbol, interval, event_time DESC, revision DESC);
CREATE INDEX sentiment_by_time ON sentiment (replay, interval, event_time DESC);
CREATE INDEX correlation_by_symbol ON correlation (replay, symbol, interval, "window", event_time DESC, revision DESC);
CREATE INDEX correlation_by_time ON correlation (replay, interval, "window", event_time DESC);

CREATE OR REPLACE VIEW stock_data AS
SELECT DISTINCT ON (symbol, interval, event_time)
    symbol, interval, start, event_time, known_time, revision, open, high, low, close, volume, trades, vwap,
    source, flags, return_log, sma20, ema12, ema26, macd, macd_signal, rsi14, bollinger_upper, bollinger_lower,
    atr14, volatility20, obv
FROM bar
WHERE replay = (SELECT replay FROM served)
ORDER BY symbol, interval, event_time DESC, revision DESC;

CREATE OR REPLACE VIEW sentiment_data AS
SELECT DISTINCT ON (symbol, interval, event_time)
    symbol, interval, start, event_time, known_time, revision, mentions, duplicates, authors, score, positive,
    negative, neutral, score_stddev, score_weighted, buzz_z, sources, keywords, coverage, model, model_version
FROM sentiment
WHERE replay = (SELECT replay FROM served)
ORDER BY symbol, interval, event_time DESC, revision DESC;

CREATE OR REPLACE VIEW correlation_analysis AS
SELECT DISTINCT ON (symbol, interval, "window", event_time, pair, method)
    symbol, interval, "window", pair, method, event_time, known_time, n, n_effective, r, p_value, ci_low, ci_high,
    best_lag, p_best, lags, r_by_lag, status, method_version
FROM correlation
WHERE replay = (SELECT replay FROM served)
ORDER BY symbol, interval, "window", event_time DESC, pair, method, revision DESC;

CREATE OR REPLACE VIEW latest_quote AS
SELECT DISTINCT ON (symbol)
    symbol, event_time, ingest_time, revision, price, volume, bid, ask, bid_size, ask_size, currency, session,
    source, flags
FROM quote
WHERE replay = (SELECT replay FROM served)
ORDER BY symbol, event_time DESC, revision DESC, sequence DESC NULLS LAST, ingest_time DESC;

CREATE OR REPLACE VIEW latest_sentiment AS
SELECT DISTINCT ON (symbol, interval)
    symbol, interval, start, event_time, known_time, revision, mentions, duplicates, authors, score, positive,
    negative, neutral, score_stddev, score_weighted, buzz_z, sources, keywords, coverage, model, model_version
FROM sentiment
WHERE replay = (SELECT replay FROM served)
ORDER BY symbol, interval, event_time DESC, revision DESC;
