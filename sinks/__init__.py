"""Topics to stores: ``timescale`` keeps every fact once, ``latest`` keeps the newest of each in memory."""
