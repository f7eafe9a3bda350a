"""Rows per CPU-second of our sink beside COPY without its ledger and beside upserts."""
