"""Imported by every process of a world at its start: does wrong from within what the world's file says."""
