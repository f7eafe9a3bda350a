"""Stores -> readers."""
