"""Outside world -> raw topics."""
