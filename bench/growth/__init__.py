"""Whether a record costs more when there is more of everything; how long state takes to come back."""
