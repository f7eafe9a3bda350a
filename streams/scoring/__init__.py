"""Scorers: what a model says of one text; and the process that runs one."""
