"""CPU of sections of a program, and, by samples of what runs a thousand times a second, of parts inside them."""

import signal
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from types import FrameType
from typing import Any

SAMPLE_SECONDS = 0.001
# The innermost frame in one of these decides the part that a sample belongs to.
FILES = {
    "streams/quotes.py": "rules",
    "streams/quote_series.py": "rules",
    "streams/bars.py": "fold",
    "streams/bar_parts.py": "fold",
    "streams/bar_lines.py": "fold",
    "streams/schedule.py": "fold",
    "infra/grid.py": "fold",
    "streams/indicators.py": "indicators",
    "schemas/clocks.py": "engine",
    "streams/engine/core.py": "engine",
    "streams/engine/guard.py": "engine",
    "streams/engine/watermarks.py": "engine",
    "schemas/codec.py": "codec",
    "schemas/compiled.py": "codec",
    "<avro>": "codec",
}


class Meter:
    """Adds up CPU time by section; only one section runs at a time."""

    def __init__(self) -> None:
        self._spent: Counter[str] = Counter()
        self._samples: dict[str, Counter[str]] = defaultdict(Counter)
        self._section: str | None = None

    def __enter__(self) -> "Meter":
        signal.signal(signal.SIGPROF, self._sample)
        signal.setitimer(signal.ITIMER_PROF, SAMPLE_SECONDS, SAMPLE_SECONDS)
        return self

    def __exit__(self, *_: object) -> None:
        signal.setitimer(signal.ITIMER_PROF, 0)

    def call(self, section: str, function: Callable[..., Any], *args: Any) -> Any:
        """Call a function; its CPU time is the section's."""
        self._section = section
        started = time.process_time_ns()
        result = function(*args)
        self._spent[section] += time.process_time_ns() - started
        self._section = None
        return result

    def _sample(self, _: int, frame: FrameType | None) -> None:
        if self._section is not None:
            self._samples[self._section][_part(frame)] += 1

    def costs(self, records: int) -> dict[str, dict[str, float]]:
        """Microseconds a record by section and part."""
        return {
            section: {
                part: round(nanoseconds / 1000 / records * count / self._samples[section].total(), 3)
                for part, count in self._samples[section].most_common()
            }
            for section, nanoseconds in self._spent.items()
        }

    def total(self, records: int) -> float:
        """Microseconds a record in all sections."""
        return self._spent.total() / 1000 / records


def _part(frame: FrameType | None) -> str:
    while frame is not None:
        name = "/".join(frame.f_code.co_filename.split("/")[-3:])
        for file, part in FILES.items():
            if name.endswith(file):
                return part
        frame = frame.f_back
    return "other"
