"""What a history computes, its plain run, and the comparison of the two."""

import random
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from schemas.clocks import Headers
from schemas.codec import codec_for
from schemas.records import SentimentScore
from streams.engine.core import Entry, PartitionCore
from streams.scoring.scorer import make_score
from streams.stage import Stage

from .broker import PARTITIONS, Place, place_of
from .inputs import Input

Logs = Mapping[Place, Sequence[Entry]]


@dataclass(frozen=True, kw_only=True)
class Flow:
    """Attributes:
    stages: in the order of the data.
    inputs: drawn from a seed.
    differences: what a history has otherwise than the plain run, as sentences; the logs as readers see them.
    stored: topics that a sink stores.
    mended: the stages as their next version has them; None = there is none.
    """

    name: str
    stages: Callable[[], Sequence[Stage]]
    inputs: Callable[[random.Random], list[Input]]
    differences: Callable[[Logs, Logs], list[str]]
    stored: tuple[str, ...]
    mended: Callable[[], Sequence[Stage]] | None = None


def plainly(flow: Flow, inputs: Iterable[Input]) -> Logs:
    """The reference: stage after stage, record by record, in one place where nothing goes wrong."""
    logs: dict[Place, list[Entry]] = defaultdict(list)

    def append(place: Place, at_ms: int, key: bytes | None, value: bytes | None, headers: Headers) -> None:
        if place[1] < PARTITIONS:
            logs[place].append(Entry(place[0], len(logs[place]), at_ms, key, value, headers))

    for each in inputs:
        for place in each.places:
            append(place, each.at_ms, each.key, each.value, each.headers)
    for stage in flow.stages():
        for partition in range(PARTITIONS):
            core = PartitionCore(stage, partition, now=lambda: 0)
            for topic in stage.inputs:
                for entry in logs[topic, partition]:
                    decoded = core.decode([entry])
                    answers = answer(core.questions(decoded)) if stage.ask else {}
                    for out in core.run([entry], decoded, answers):
                        place = place_of(out.topic, out.key) if out.partition is None else (out.topic, out.partition)
                        append(place, entry.append_ms, out.key, out.value, out.headers)
    return logs


def answer(questions: Sequence[str]) -> dict[str, Any]:
    """The scorer's place: a score that depends on the text alone."""
    return {text: _score(text) for text in questions}


def _score(text: str) -> SentimentScore:
    positive = random.Random(text).random()  # seeded by the text's bytes, the same in every process
    return make_score({"positive": positive, "negative": 1 - positive, "neutral": 0.0}, "m", "1")


def same_logs(topics: Sequence[str]) -> Callable[[Logs, Logs], list[str]]:
    """Each partition of the topics has the same facts, clocks and headers in the same order."""

    def differences(plain: Logs, wild: Logs) -> list[str]:
        return [
            sentence
            for topic in topics
            for number in range(PARTITIONS)
            if (sentence := _first_difference((topic, number), _seen(plain, topic, number), _seen(wild, topic, number)))
        ]

    return differences


def _seen(logs: Logs, topic: str, number: int) -> list[tuple[Any, ...]]:
    return [(entry.key, entry.value, tuple(entry.headers or ())) for entry in logs.get((topic, number), ())]


def _first_difference(place: Place, plain: list[tuple[Any, ...]], wild: list[tuple[Any, ...]]) -> str | None:
    if plain == wild:
        return None
    at = next(
        (n for n, pair in enumerate(zip(plain, wild, strict=False)) if pair[0] != pair[1]), min(len(plain), len(wild))
    )
    show = [repr(_told(place[0], rows[at])) if at < len(rows) else "nothing" for rows in (plain, wild)]
    counts = f"{len(wild)} records instead of {len(plain)}; " if len(plain) != len(wild) else ""
    return f"{place[0]}/{place[1]}: {counts}record {at} is {show[1]} and should be {show[0]}"


def _told(topic: str, row: tuple[Any, ...]) -> Any:
    _, value, headers = row
    if value is None:
        return dict(headers)
    return value if topic.endswith(".dlq") else codec_for(topic).decode(value)
