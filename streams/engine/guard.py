"""The one place that judges what a fold raises for a fact: it tells poison from transient failures from bugs."""

from infra.errors import FatalError, PoisonError, TransientError
from infra.log import get_logger

_log = get_logger(__name__)
BUGS_IN_A_ROW = 3


class Guard:
    """Makes poison of what a fold raised, or ends the process when it keeps happening.

    Attributes:
        bugs: how many there were in a row; whoever calls the fold sets it to 0 after a success.
    """

    def __init__(self, stage: str) -> None:
        self._stage = stage
        self.bugs = 0

    def poison(self, error: Exception, topic: str) -> PoisonError:
        """What the dead letters shall say of a record for which ``fold.fact`` raised; ``bug`` if it was unexpected.

        Raises:
            TransientError: it was one: the record waits.
            FatalError: it was one, or is the third bug in a row.
        """
        if isinstance(error, PoisonError):
            return error
        if isinstance(error, TransientError | FatalError):
            raise error
        self.bugs += 1
        _log.error("bug", stage=self._stage, topic=topic, in_a_row=self.bugs, exc_info=error)
        if self.bugs >= BUGS_IN_A_ROW:
            raise FatalError(f"{self._stage}: {self.bugs} bugs in a row, the last: {error!r}") from error
        return PoisonError("bug", f"{type(error).__name__}: {error}")
