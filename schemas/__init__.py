"""THE CONTRACT: schemas, records, codec, topic table, clocks and keys that two processes must agree on."""
