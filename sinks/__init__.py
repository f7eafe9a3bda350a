"""Topics -> stores."""
