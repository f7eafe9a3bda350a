"""The programs that are compared; each runs as a process of its own until SIGTERM."""
