"""Every case, by name."""

from ..case import Case
from . import broker, stores, workers

CASES: dict[str, Case] = {case.name: case for part in (workers, broker, stores) for case in part.CASES}
