"""This machine's clock against the broker's, learned from delivery reports."""

from collections.abc import Callable
from typing import Any

from confluent_kafka import TIMESTAMP_LOG_APPEND_TIME

from infra.clock import Now
from infra.errors import FatalError
from infra.log import get_logger
from infra.metrics import PRODUCER_SKEW

WARN_SECONDS = 5.0
STOP_SECONDS = 60.0

log = get_logger(__name__)


class SkewWatch:
    """Warns from 5 s of difference and stops the producer from 60 s.

    Args:
        source: name of the source, for the log.
        now: wall clock, microseconds UTC.
    """

    def __init__(self, source: str, now: Now) -> None:
        self._source = source
        self._now = now
        self._trouble: str | None = None

    def report(self) -> Callable[[Any, Any], None]:
        """A delivery report for a record that is being written now."""
        sent = self._now()

        def delivered(error: Any, message: Any) -> None:
            kind, append_ms = (None, 0) if error is not None else message.timestamp()
            if kind == TIMESTAMP_LOG_APPEND_TIME:
                self.judge(skew_seconds(sent, self._now(), append_ms))

        return delivered

    def judge(self, skew: float) -> None:
        """Take a difference in seconds; positive = our clock is ahead."""
        PRODUCER_SKEW.labels(self._source).set(skew)
        if abs(skew) >= STOP_SECONDS:
            self._trouble = f"this machine's clock is {skew:+.1f} s off the broker's: set it right (NTP)"
        elif abs(skew) >= WARN_SECONDS:
            log.warning("clock differs from the broker's", source=self._source, seconds=round(skew, 3))

    def check(self) -> None:
        """Stop if a difference was too large.

        Raises:
            FatalError: it was; event times and clocks written now would be wrong.
        """
        if self._trouble is not None:
            raise FatalError(self._trouble)


def skew_seconds(sent: int, heard: int, append_ms: int) -> float:
    """How far our clock is ahead of the broker's, negative if behind; 0 where the two can agree.

    Args:
        sent: when the record was written, microseconds by our clock.
        heard: when its delivery was reported, microseconds by our clock.
        append_ms: when the broker appended it, milliseconds by its clock.
    """
    earliest, latest = append_ms * 1000, append_ms * 1000 + 999
    if latest < sent:
        return (sent - latest) / 1e6
    if earliest > heard:
        return (heard - earliest) / 1e6
    return 0.0
