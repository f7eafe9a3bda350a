"""raw -> valid -> scored -> bars, moods, correlations. ``topology.py`` is the page to start with."""
