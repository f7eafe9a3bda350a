"""A call that may never return, given up after a while."""

import threading
from collections.abc import Callable


class Unanswered(Exception):
    """A call did not return in time; it goes on in ``thread``."""

    def __init__(self, thread: threading.Thread) -> None:
        super().__init__(thread.name)
        self.thread = thread


def within(seconds: float, call: Callable[[], object]) -> None:
    """Make a call in another thread, and wait for it that long.

    Raises:
        Unanswered: it has not returned. What it works on belongs to it from now on.
        Exception: what the call raised.
    """
    raised: list[BaseException] = []

    def run() -> None:
        try:
            call()
        except BaseException as error:  # noqa: BLE001  # raised below, in the thread that waits
            raised.append(error)

    # A daemon: a process may end without it.
    thread = threading.Thread(target=run, name="bounded", daemon=True)
    thread.start()
    thread.join(seconds)
    if thread.is_alive():
        raise Unanswered(thread)
    if raised:
        raise raised.pop()  # no list that holds what is raised through it
