"""SIGTERM and SIGINT: the first asks a process to stop; the second ends it at once, and so does the end of its time.

Python runs handlers of signals in the main thread, between two steps of it: a call that does not come back keeps them
waiting. Its lower half writes each signal into a socket at once, and what reads that socket here is another thread.
"""

import os
import signal
import socket
import threading
from collections.abc import Callable

from .log import get_logger

_log = get_logger(__name__)
_SIGNALS = (signal.SIGTERM, signal.SIGINT)
ENDED = 128 + signal.SIGTERM
STOP_SECONDS = 9.0
"""What a process of the flow has: 10 s are promised, and what is cut off is as safe as after SIGKILL."""


def on_stop(
    ask: Callable[[], object], *, within: float | None = STOP_SECONDS, last: Callable[[], object] = int
) -> None:
    """Attend to signals from now on, until the process ends; to be called in the main thread.

    Args:
        ask: called at the first signal, in another thread.
        within: seconds after it in which the process must have ended; None = as long as it takes.
        last: called before the process is ended with code 143.
    """
    reader, writer = socket.socketpair()
    writer.setblocking(False)
    signal.set_wakeup_fd(writer.detach(), warn_on_full_buffer=False)
    for number in _SIGNALS:
        signal.signal(number, lambda *_: None)
    threading.Thread(target=_attend, args=(reader, ask, within, last), name="signals", daemon=True).start()


def stop_on_signals() -> threading.Event:
    """An event that the first signal sets; see :func:`on_stop`."""
    stop = threading.Event()
    on_stop(stop.set)
    return stop


def _attend(reader: socket.socket, ask: Callable[[], object], within: float | None, last: Callable[[], object]) -> None:
    _next(reader)
    ask()
    reader.settimeout(within)
    try:
        _next(reader)
        why = "a second signal"
    except TimeoutError:
        why = f"not stopped {within:g} s after the signal"
    _log.warning("ends at once", why=why)
    last()
    os._exit(ENDED)


def _next(reader: socket.socket) -> None:
    while reader.recv(1)[0] not in _SIGNALS:
        pass
