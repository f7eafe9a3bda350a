"""Signals: the first asks, the second ends, and so does the time, whatever the main thread is busy with."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from infra.stopping import ENDED

BUSY = """
import hashlib
from infra.log import configure_logging
from infra.stopping import on_stop

configure_logging("info", "busy")

def say(word):
    print(word, flush=True)

on_stop(lambda: say("asked"), within={within}, last=lambda: say("last"))
say("ready")
{busy}
"""
# The first is a call into C that comes back after minutes, the second a fold that never ends.
BUSY_WITH = {"a call": "hashlib.pbkdf2_hmac('sha256', b'', b'', 10**9)", "a loop": "while True: pass"}


@contextmanager
def process(busy: str, within: float | None) -> Iterator["subprocess.Popen[str]"]:
    """A process whose main thread never comes back."""
    script = BUSY.format(busy=BUSY_WITH[busy], within=within)
    with subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as made:
        try:
            assert told(made) == "ready"
            yield made
        finally:
            made.kill()


def told(made: "subprocess.Popen[str]") -> str:
    """The next line that it prints."""
    assert made.stdout is not None
    return made.stdout.readline().strip()


@pytest.mark.parametrize("busy", BUSY_WITH)
@pytest.mark.parametrize("first", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_ends_a_busy_process(busy: str, first: signal.Signals) -> None:
    """The first is heard and ends nothing; the second, of either kind, lets the last thing be done and ends it."""
    with process(busy, within=None) as made:
        made.send_signal(first)
        assert told(made) == "asked"
        assert made.poll() is None
        made.send_signal(signal.SIGTERM)
        assert told(made) == "last"
        assert made.wait(30) == ENDED == 143


@pytest.mark.parametrize("busy", BUSY_WITH)
def test_a_busy_process_has_so_much_time(busy: str) -> None:
    """One signal is enough where the time for stopping is bounded."""
    with process(busy, within=0.2) as made:
        made.send_signal(signal.SIGTERM)
        assert [told(made), told(made)] == ["asked", "last"]
        assert made.wait(30) == ENDED


def test_other_signals_are_left_alone() -> None:
    """A signal with a handler of its own asks for nothing."""
    script = """
import os, signal
from infra.stopping import stop_on_signals
stop = stop_on_signals()
signal.signal(signal.SIGUSR1, lambda *_: print("own", flush=True))
os.kill(os.getpid(), signal.SIGUSR1)
print(stop.wait(0.2), flush=True)
os.kill(os.getpid(), signal.SIGTERM)
print(stop.wait(30), flush=True)
"""
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert ended.stdout.split() == ["own", "False", "True"]
