"""How long a quote takes from its append to the database and to the channel of updates."""
