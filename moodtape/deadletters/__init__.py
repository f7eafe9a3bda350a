"""Dead letters: which there are, how they stand, and sending them back."""
