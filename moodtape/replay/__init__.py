"""Replays: plan one, run it beside the live flow, compare it, switch readers to it."""
