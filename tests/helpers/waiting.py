"""Waiting for something that other processes do: by asking, with a limit."""

import time
from collections.abc import Callable
from typing import Any

ASK_SECONDS = 0.05


def wait_for(holds: Callable[[], Any], what: str, seconds: float = 90.0) -> None:
    """Ask until it is so."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"waited {seconds:.0f} s until {what}"
        time.sleep(ASK_SECONDS)
