"""Named places between two steps where a test can have a process killed, held up or failed.

Random faults do not find what one exact point does. ``MOODTAPE_FAILPOINT=name:n`` kills this process with SIGKILL at
the n-th passing of that point. ``MOODTAPE_FAILPOINTS=folder`` lets a test arm a process that runs already, or the
next one of its kind: the file ``<folder>/<command>``, such as ``stream-quotes``, holds ``name n action`` with one of

=============== =======================================================================================
``kill``        SIGKILL
``hold:SECONDS``  wait so long, or until ``<command>.fired`` is removed
``raise``       raise :class:`Failpoint`, an error that nobody expects
=============== =======================================================================================

The first process that obeys renames the file to ``<command>.fired``, so each order is carried out once. With neither
variable set a call costs two comparisons.
"""

import os
import signal
import sys
import time
from collections import Counter
from itertools import takewhile
from pathlib import Path

_name, _, _count = os.environ.get("MOODTAPE_FAILPOINT", "").partition(":")
_left = int(_count or 1)
_folder = os.environ.get("MOODTAPE_FAILPOINTS", "")
_passed: Counter[str] = Counter()
_ASK_SECONDS = 0.02


class Failpoint(Exception):
    """Raised where a test asked for it."""


def failpoint(name: str) -> None:
    """Die, wait or fail here if a test says so."""
    global _left
    if name == _name:
        _left -= 1
        if _left <= 0:
            os.kill(os.getpid(), signal.SIGKILL)
    if _folder:
        _obey(name, Path(_folder) / command(sys.argv[1:]))


def command(arguments: list[str]) -> str:
    """What a process is called in the folder of orders: its words up to the first option, joined by dashes."""
    return "-".join(takewhile(lambda word: not word.startswith("-"), arguments))


def _obey(name: str, order: Path) -> None:
    try:
        text = order.read_text()
        wanted, count, action = text.split()
        passings = int(count)
    except (OSError, ValueError):
        return
    if wanted != name:
        return
    _passed[text] += 1
    if _passed[text] < passings:
        return
    fired = order.with_name(f"{order.name}.fired")
    try:
        order.rename(fired)
    except FileNotFoundError:
        return
    del _passed[text]
    _act(action, fired)


def _act(action: str, fired: Path) -> None:
    what, _, seconds = action.partition(":")
    if what == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif what == "raise":
        raise Failpoint(f"a test asked for it: {fired.name}")
    elif what == "hold":
        deadline = time.monotonic() + float(seconds)
        while fired.exists() and time.monotonic() < deadline:
            time.sleep(_ASK_SECONDS)
