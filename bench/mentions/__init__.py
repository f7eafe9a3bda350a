"""What a change of the code, or of a setting, does to the mentions of the recordings."""
