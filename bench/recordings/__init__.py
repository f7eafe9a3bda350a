"""What two versions of the code make of the same recordings."""
