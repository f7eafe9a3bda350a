"""How far the correlations can be trusted, and what they cost."""
