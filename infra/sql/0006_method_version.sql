-- Which inference a correlation was made with; rows from before there was a choice are of the first.

ALTER TABLE correlation ADD COLUMN method_version integer NOT NULL DEFAULT 1;

CREATE OR REPLACE VIEW correlation_analysis AS
SELECT DISTINCT ON (symbol, interval, "window", event_time, pair, method)
    symbol, interval, "window", pair, method, event_time, known_time, n, n_effective, r, p_value, ci_low, ci_high,
    best_lag, p_best, lags, r_by_lag, status, method_version
FROM correlation
WHERE replay = 'live'
ORDER BY symbol, interval, "window", event_time DESC, pair, method, revision DESC;
