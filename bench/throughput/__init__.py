"""What a scorer costs the flow of posts."""
