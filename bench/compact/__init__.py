"""Training of the compact model's part that ships."""
