-- What kind of instrument, whose trading days it keeps, and when each former symbol ended (ISO dates, as in the topic).
ALTER TABLE instrument ADD COLUMN former_until text[] NOT NULL DEFAULT '{}';
ALTER TABLE instrument ADD COLUMN calendar text;
ALTER TABLE instrument ADD COLUMN kind text NOT NULL DEFAULT 'UNKNOWN';

CREATE OR REPLACE VIEW latest_instrument AS
SELECT DISTINCT ON (symbol)
    symbol, name, exchange, currency, former_symbols, aliases, former_until, calendar, kind
FROM instrument
WHERE replay = 'live'
ORDER BY symbol, topic_offset DESC;
