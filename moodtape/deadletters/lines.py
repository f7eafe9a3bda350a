"""Lines that a producer could not read: read again by the code of today."""

from producers.recording import PARTS, Part

from .letters import Buried


def reader_of(letter: Buried) -> Part | None:
    """The part of a recording that an unparseable line comes from; None where it is of no recording."""
    if letter.letter is None or letter.value is None:
        return None
    return next((part for part in PARTS if (part.topic, part.file) == (letter.source, letter.letter.topic)), None)
