"""A text's clauses, and which of them speak of whom: what each of several instruments of one post is scored by.

A text is cut in two ways:

* after sentences, at line breaks, semicolons, bars and dashes: always;
* at commas and at joining words ("while", "but", "and", "as" ...): where both sides hold a word of mood, so that
  "Infosys and TCS fall" stays whole and "Infosys falls, TCS gains" does not.

Everything here is a pure function of the text, and linear in its length.
"""

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import cache
from importlib.resources import files

from .scoring.lexicon import parse_lexicon

MOST_CLAUSES = 24

# One capital before a full stop is an abbreviation's ("U.S. sales"), or a symbol's ("$F."). A semicolon may be the end
# of one of HTML's entities, which sources leave in.
_ALWAYS = re.compile(
    r"[.!?…](?:(?<=[a-z0-9%)\"'’”].)|(?<=[A-Z]{2}.)|(?<=\$[A-Z].))[.!?…]*\s|[!?]\s|[\n|]|\s[-–—]+\s"
    r"|;(?<!&amp;)(?<!&[lg]t;)(?<!&quot;)(?<!&#39;)"
)
_JOINT = re.compile(r",\s|\s(?:but|while|whereas|although|though|yet|however|as|and)\s", re.IGNORECASE)
_WORD = re.compile(r"[^\W\d_]+|[\u2600-\u27bf\u2b00-\u2bff\U0001f300-\U0001faff]")

Named = Callable[[str], Collection[str]]


def clauses(text: str) -> tuple[str, ...]:
    """The clauses of a text in order, none empty, at most 24; the last holds all that is left."""
    found = [clause for part in _ALWAYS.split(text, MOST_CLAUSES - 1) for clause in _parted(part)]
    kept, rest = found[: MOST_CLAUSES - 1], " ".join(found[MOST_CLAUSES - 1 :])
    return (*kept, rest) if rest else tuple(kept)


def _parted(part: str) -> Iterator[str]:
    """A sentence cut at its joints; what holds no word of mood stays with what follows, or with the last clause."""
    whole = part.strip()
    if not whole:
        return
    start = 0
    ends = [joint.span() for joint in _JOINT.finditer(whole)]
    if not ends:
        yield whole
        return
    moods = [
        _has_mood(whole[a:b]) for a, b in zip([0, *(e for _, e in ends)], [*(s for s, _ in ends), None], strict=True)
    ]
    for place, (stop, begin) in enumerate(ends):
        if moods[place] and any(moods[place + 1 :]):
            yield whole[start:stop]
            start = begin
    yield whole[start:]


def own_texts(parts: Sequence[str], named: Named) -> Mapping[str, str]:
    """For each name that a text speaks of apart from others, what it says of that name.

    A clause that names nobody goes on about those of the clause before; before the first name it is about nobody.
    Names that the clauses do not tell apart (all stand in the same ones) are not in the answer.

    Args:
        parts: the text's clauses.
        named: who is named in a clause.
    """
    if len(parts) < 2:
        return {}
    places = _places([frozenset(named(part)) for part in parts])
    if len(set(map(tuple, places.values()))) < 2:
        return {}
    return {name: ". ".join(parts[place] for place in at) for name, at in sorted(places.items())}


def _places(found: Sequence[frozenset[str]]) -> dict[str, list[int]]:
    places: dict[str, list[int]] = {}
    about: frozenset[str] = frozenset()
    for place, names in enumerate(found):
        about = names or about
        for name in about:
            places.setdefault(name, []).append(place)
    return places


def _has_mood(part: str) -> bool:
    return "%" in part or not _mood_words().isdisjoint(_WORD.findall(part.lower()))


@cache
def _mood_words() -> frozenset[str]:
    lexicon = parse_lexicon((files("streams.scoring") / "lexicon.txt").read_text(encoding="utf-8"))
    return frozenset(lexicon.weights) | lexicon.rising | lexicon.falling
