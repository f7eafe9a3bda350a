"""Mentions by rule, and what a reader's findings make of them: precision and calibration."""

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

from schemas.records import PostMention
from streams.matching import LEAST
from streams.rules import CONFIDENCE

# Settings of MOODTAPE_MENTION_CONFIDENCE between which another rule falls away.
THRESHOLDS = (LEAST, 0.77, 0.81, 0.85, 0.9, 0.945)


@dataclass(slots=True)
class Tally:
    """Mentions of each rule, those that a label confirms, and (symbol, text) of the others."""

    found: Counter[str] = field(default_factory=Counter)
    confirmed: Counter[str] = field(default_factory=Counter)
    unconfirmed: dict[str, list[tuple[str, str]]] = field(default_factory=lambda: defaultdict(list))

    def add(self, mention: PostMention, text: str, *, confirmed: bool) -> None:
        """Count a mention."""
        self.found[mention.rule] += 1
        if confirmed:
            self.confirmed[mention.rule] += 1
        else:
            self.unconfirmed[mention.rule].append((mention.symbol, text))


def right_share(tally: Tally, rule: str, readings: Mapping[str, tuple[int, int]]) -> float | None:
    """Estimated share of a rule's mentions that are right; None where no reader looked at the unconfirmed ones."""
    found, confirmed = tally.found[rule], tally.confirmed[rule]
    if found == confirmed:
        return 1.0 if found else None
    if rule not in readings:
        return None
    wrong, read = readings[rule]
    return (confirmed + (found - confirmed) * (1 - wrong / read)) / found


def table_of(tally: Tally, readings: Mapping[str, tuple[int, int]]) -> dict[str, object]:
    """Precision over the rules that are sure enough, and of each rule its stated and its observed share."""
    rules = {}
    for rule in (rule for rule in CONFIDENCE if tally.found[rule]):
        share = right_share(tally, rule, readings)
        rules[rule] = {
            "mentions": tally.found[rule],
            "confirmed": round(tally.confirmed[rule] / tally.found[rule], 3),
            "read": list(reversed(readings[rule])) if rule in readings else None,
            "stated": CONFIDENCE[rule],
            "observed": None if share is None else round(share, 3),
        }
    by_least = {str(least): precision(tally, readings, least) for least in THRESHOLDS}
    return {"precision": precision(tally, readings, LEAST), "precision by least confidence": by_least, "rules": rules}


def precision(tally: Tally, readings: Mapping[str, tuple[int, int]], least: float) -> float | None:
    """Of the rules that are sure enough and were read, the share of mentions that are right."""
    shares = {rule: right_share(tally, rule, readings) for rule, stated in CONFIDENCE.items() if stated >= least}
    known = {rule: share for rule, share in shares.items() if share is not None and tally.found[rule]}
    total = sum(tally.found[rule] for rule in known)
    return round(sum(tally.found[rule] * share for rule, share in known.items()) / total, 4) if total else None
