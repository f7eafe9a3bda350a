"""The programs that are compared, and how each is started."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from . import extras
from .contenders.options import Options

Command = Callable[[Options], Sequence[str]]


def _python(module: str) -> Command:
    return lambda options: [sys.executable, "-m", f"bench.engine.contenders.{module}", options.text()]


def _quix(options: Options) -> Sequence[str]:
    return [str(extras.quix_python()), "-m", "bench.engine.contenders.quix", options.text()]


def _streams(options: Options) -> Sequence[str]:
    return [*extras.streams_command(), options.text()]


@dataclass(frozen=True, slots=True)
class Contender:
    """A program: how it is started, its share of the records, which of its ways it goes."""

    name: str
    label: str
    command: Command
    transactions: bool = False
    variant: str = ""
    share: float = 1.0


CONTENDERS = (
    Contender("loop", "hand-written loop", _python("handwritten")),
    Contender("loop-txn", "hand-written loop, transactions", _python("handwritten"), transactions=True),
    Contender("ours", "moodtape engine", _python("ours"), transactions=True),
    Contender("faust", "stock Faust, async for", _python("stock_faust"), variant="each", share=0.2),
    Contender("faust-take", "stock Faust, take(500)", _python("stock_faust"), variant="take", share=0.2),
    Contender("quix", "quixstreams, at least once", _quix, share=0.3),
    Contender("quix-txn", "quixstreams, exactly once", _quix, transactions=True, share=0.3),
    Contender("kstreams", "Kafka Streams (Java), exactly once", _streams, transactions=True, share=3.0),
)
