"""How well instruments are found in texts, and how fast."""
