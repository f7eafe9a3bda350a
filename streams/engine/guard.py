"""The one place that catches everything: it tells poison from transient failures from bugs."""

from collections.abc import Mapping, Sequence
from typing import Any

from infra.errors import FatalError, PoisonError, TransientError
from infra.log import get_logger
from streams.stage import Emit, Fold

_log = get_logger(__name__)
BUGS_IN_A_ROW = 3


class Guard:
    """Calls a fold; what it raises becomes poison, or ends the process when it keeps happening."""

    def __init__(self, stage: str) -> None:
        self._stage = stage
        self._bugs = 0

    def fact(
        self, fold: Fold, topic: str, record: Any, watermark: int | None, answers: Mapping[str, Any]
    ) -> Sequence[Emit]:
        """``fold.fact``, with anything unexpected turned into poison of reason ``bug``.

        Raises:
            PoisonError: to be written to the dead letters.
            FatalError: the third bug in a row.
        """
        try:
            out = fold.fact(topic, record, watermark, answers)
        except (PoisonError, TransientError, FatalError):
            raise
        except Exception as error:
            self._bugs += 1
            _log.error("bug", stage=self._stage, topic=topic, in_a_row=self._bugs, exc_info=error)
            if self._bugs >= BUGS_IN_A_ROW:
                raise FatalError(f"{self._stage}: {self._bugs} bugs in a row, the last: {error!r}") from error
            raise PoisonError("bug", f"{type(error).__name__}: {error}") from error
        self._bugs = 0
        return out
