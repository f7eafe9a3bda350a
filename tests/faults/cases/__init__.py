"""Every case, by name, in the order of the table."""

from ..case import Case
from . import broker, disk, embedded, members, records, sources, stores, workers

_PARTS = (workers, stores, broker, records, sources, members, disk, embedded)
CASES: dict[str, Case] = {case.name: case for part in _PARTS for case in part.CASES}
