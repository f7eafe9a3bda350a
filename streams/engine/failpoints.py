"""Named places between two steps where a test can have the process killed.

``MOODTAPE_FAILPOINT=name:n`` kills this process with SIGKILL at the n-th passing of that point. Random kills
do not find what one exact point does; unset, a call costs one comparison.
"""

import os
import signal

_name, _, _count = os.environ.get("MOODTAPE_FAILPOINT", "").partition(":")
_left = int(_count or 1)


def failpoint(name: str) -> None:
    """Die here if the environment says so."""
    global _left
    if name != _name:
        return
    _left -= 1
    if _left <= 0:
        os.kill(os.getpid(), signal.SIGKILL)
