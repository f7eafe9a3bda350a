-- Views for people: live facts only, the greatest revision of each.

CREATE VIEW stock_data AS
SELECT DISTINCT ON (symbol, interval, event_time)
    symbol, interval, start, event_time, known_time, revision, open, high, low, close, volume, trades, vwap,
    source, flags, return_log, sma20, ema12, ema26, macd, macd_signal, rsi14, bollinger_upper, bollinger_lower,
    atr14, volatility20, obv
FROM bar
WHERE replay = 'live'
ORDER BY symbol, interval, event_time DESC, revision DESC;

CREATE VIEW sentiment_data AS
SELECT DISTINCT ON (symbol, interval, event_time)
    symbol, interval, start, event_time, known_time, revision, mentions, duplicates, authors, score, positive,
    negative, neutral, score_stddev, score_weighted, buzz_z, sources, keywords, coverage, model, model_version
FROM sentiment
WHERE replay = 'live'
ORDER BY symbol, interval, event_time DESC, revision DESC;

CREATE VIEW correlation_analysis AS
SELECT DISTINCT ON (symbol, interval, "window", event_time, pair, method)
    symbol, interval, "window", pair, method, event_time, known_time, n, n_effective, r, p_value, ci_low, ci_high,
    best_lag, p_best, lags, r_by_lag, status
FROM correlation
WHERE replay = 'live'
ORDER BY symbol, interval, "window", event_time DESC, pair, method, revision DESC;

CREATE VIEW latest_quote AS
SELECT DISTINCT ON (symbol)
    symbol, event_time, ingest_time, revision, price, volume, bid, ask, bid_size, ask_size, currency, session,
    source, flags
FROM quote
WHERE replay = 'live'
ORDER BY symbol, event_time DESC, revision DESC, sequence DESC NULLS LAST, ingest_time DESC;

CREATE VIEW latest_sentiment AS
SELECT DISTINCT ON (symbol, interval)
    symbol, interval, start, event_time, known_time, revision, mentions, duplicates, authors, score, positive,
    negative, neutral, score_stddev, score_weighted, buzz_z, sources, keywords, coverage, model, model_version
FROM sentiment
WHERE replay = 'live'
ORDER BY symbol, interval, event_time DESC, revision DESC;

CREATE VIEW latest_instrument AS
SELECT DISTINCT ON (symbol)
    symbol, name, exchange, currency, former_symbols, aliases
FROM instrument
WHERE replay = 'live'
ORDER BY symbol, topic_offset DESC;
