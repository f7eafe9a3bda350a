-- Hypertables where the server has TimescaleDB loaded (any edition); plain tables of the same names elsewhere.
-- The loader's own setting tells whether it is preloaded, without a right to read shared_preload_libraries.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_extension WHERE extname = 'timescaledb') THEN
        IF NOT EXISTS (SELECT FROM pg_available_extensions WHERE name = 'timescaledb')
            OR current_setting('timescaledb.disable_load', true) IS NULL
        THEN
            RETURN;
        END IF;
        BEGIN
            CREATE EXTENSION timescaledb;
        EXCEPTION WHEN insufficient_privilege THEN
            RAISE NOTICE 'no right to create the extension timescaledb: plain tables';
            RETURN;
        END;
    END IF;
    PERFORM create_hypertable(
        facts.name::regclass, by_range('event_time', facts.chunk), create_default_indexes => false
    )
    FROM (VALUES
        ('quote', interval '1 day'),
        ('bar', interval '7 days'),
        ('post', interval '7 days'),
        ('mention', interval '7 days'),
        ('sentiment', interval '7 days'),
        ('correlation', interval '7 days')
    ) AS facts (name, chunk);
END
$$;
