"""Dead letters as JSON values: what is said of them, and what they hold."""

import base64
from typing import Any

from infra.clock import to_rfc3339
from schemas.codec import to_dict

from .cases import Case
from .letters import Buried

HIDDEN_FIELDS = ("text",)


def brief(case: Case) -> dict[str, Any]:
    """A dead letter without what it holds, and how it stands."""
    letter = case.letter
    topic, partition, offset = letter.origin
    said = letter.letter
    return {
        "topic": letter.topic,
        "partition": letter.partition,
        "offset": letter.offset,
        "origin": {"topic": topic, "partition": partition, "offset": offset},
        "reason": letter.reason,
        "message": said.message if said else None,
        "stage": said.stage if said else None,
        "group": said.group if said else None,
        "attempts": said.attempts if said else None,
        "first_failed_at": to_rfc3339(said.failed_at) if said else None,
        "state": case.state,
        "why": case.why,
    }


def whole(case: Case, reveal: bool) -> dict[str, Any]:
    """A dead letter with key, headers and record; texts and raw bytes only if ``reveal``."""
    letter = case.letter
    headers = letter.letter.headers if letter.letter else letter.headers
    value, record = letter.value, letter.record
    return {
        **brief(case),
        "error": letter.letter.error if letter.letter else None,
        "key": None if letter.key is None else letter.key.decode(errors="replace"),
        "headers": [[name, None if text is None else text.decode(errors="replace")] for name, text in headers],
        "bytes": None if value is None else len(value),
        "value": base64.b64encode(value).decode() if reveal and value is not None else None,
        "record": None if record is None else _shown(record, reveal),
    }


def _shown(record: Any, reveal: bool) -> dict[str, Any]:
    data = to_dict(record)
    if reveal:
        return data
    return {k: f"({len(v)} characters, hidden)" if k in HIDDEN_FIELDS and v else v for k, v in data.items()}


def line(case: Case) -> str:
    """A dead letter in one line, which begins with its place."""
    letter = case.letter
    said = letter.letter.message if letter.letter else ""
    state = case.state if case.why is None else f"{case.state}: {case.why}"
    return f"{place(letter)}  {letter.reason}  attempts {letter.attempts}  {state}  {said}".rstrip()


def place(letter: Buried) -> str:
    """The arguments of ``dlq show`` for a letter, and the line of a file that it is, where it is one."""
    text = " ".join(map(str, letter.place))
    if letter.reason != "unparseable":
        return text
    file, _, line = letter.origin
    return f"{text} ({file} line {line})"
