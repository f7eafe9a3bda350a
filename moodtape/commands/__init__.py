"""One module a command; each parses arguments, calls one function, prints."""
