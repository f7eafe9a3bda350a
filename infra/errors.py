"""Every error of ours, on one screen.

MoodtapeError
├── UserError            a mistake the user can mend: bad flag, bad file, port in use. Exit code 2, no traceback.
├── ServiceUnavailable   a server we need cannot be reached or will not start. One line, exit code 3.
├── PoisonError          this record can never be processed. Goes to the dead letters with its ``reason``.
├── TransientError       the same call may succeed later. Retried in place, the partition waits.
└── FatalError           this process must end; the supervisor starts it again from the last commit.

Anything else that escapes is a bug: loud, counted, a dead letter with reason ``bug``.
"""

from typing import Literal

PoisonReason = Literal["undecodable", "unknown_schema", "invalid", "unparseable", "refused", "bug"]


class MoodtapeError(Exception):
    """Root of our errors."""

    exit_code = 1


class UserError(MoodtapeError):
    """A mistake the user can mend; the message says how."""

    exit_code = 2


class ServiceUnavailable(MoodtapeError):
    """A server that we need cannot be reached or does not start."""

    exit_code = 3


class PoisonError(MoodtapeError):
    """A record that can never be processed."""

    def __init__(self, reason: PoisonReason, message: str) -> None:
        super().__init__(message)
        self.reason: PoisonReason = reason


class TransientError(MoodtapeError):
    """Something that may succeed when tried again."""


class FatalError(MoodtapeError):
    """This process must end and be started again."""

    exit_code = 70
