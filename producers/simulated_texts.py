"""Texts of the simulator: patterns of ours in four writers' styles, each with a mood that a plain reader sees.

A text is put together from an opening, something said about the instrument, and an end, so that two posts of the
same minute are rarely the same. Chatter names no instrument; some of it has words that are also symbols or names.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

Mood = Literal["positive", "negative", "neutral"]
Choose = Callable[[int], int]
"""Gives a whole number from 0 up to, not including, its argument."""


@dataclass(frozen=True, slots=True)
class Style:
    """How one kind of writer writes.

    Attributes:
        community: where these writers meet.
        subjects: how they name an instrument; ``{s}`` = symbol, ``{n}`` = name.
        tags: whether their service tags posts with the symbol.
        openings: may come first.
        said: what they say, by mood; ``{p}`` = a percentage, ``{i}`` = the subject.
        ends: may come last.
    """

    community: str
    subjects: tuple[str, ...]
    tags: bool
    openings: tuple[str, ...]
    said: dict[Mood, tuple[str, ...]]
    ends: tuple[str, ...]


WIRE = Style(
    community="wire",
    subjects=("{n}", "{n} (${s})"),
    tags=True,
    openings=("", "", "Update: ", "Before the bell: ", "At midday: ", "After hours: ", "In brief: ", "Markets: "),
    said={
        "positive": (
            "{i} beats quarterly profit estimates",
            "{i} raises its full-year outlook on strong demand",
            "Analysts upgrade {i} to buy after strong growth",
            "{i} shares surge {p}% after better than expected results",
            "{i} rallies to a record high as profit jumps {p}%",
            "{i} reports strong revenue growth and improved margins",
            "{i} gains {p}% on robust orders",
            "{i} wins a large contract, shares climb {p}%",
        ),
        "negative": (
            "{i} misses quarterly profit estimates",
            "{i} cuts its full-year outlook on weak demand",
            "Analysts downgrade {i} to sell after weak results",
            "{i} shares plunge {p}% after worse than expected results",
            "{i} slumps to a record low as profit falls {p}%",
            "{i} reports weak revenue and shrinking margins",
            "{i} drops {p}% on disappointing orders",
            "{i} loses a large contract, shares fall {p}%",
        ),
        "neutral": (
            "{i} will hold its annual meeting next week",
            "{i} names a new head of investor relations",
            "{i} files its regular report with the regulator",
            "{i} to present at a conference on Tuesday",
            "{i} keeps the date of its quarterly report",
        ),
    },
    ends=(
        "",
        ", says the company",
        ", according to a statement",
        " in early trading",
        " in heavy volume",
        " ahead of the holiday",
        ", third time this year",
        " as the sector moves",
        " while peers are mixed",
    ),
)
DESK = Style(
    community="desk",
    subjects=("${s}", "{n}", "${s} ({n})"),
    tags=False,
    openings=("", "Note: ", "Our view: ", "From the desk: ", "Revisited: ", "Model update: ", "Clients ask: "),
    said={
        "positive": (
            "{i} looks strong, we upgrade and raise our target by {p}%",
            "we expect {i} to outperform, earnings growth is excellent",
            "{i} remains our top pick, profitable and improving",
            "solid quarter at {i}, upside of {p}% from here",
            "{i} deserves a higher multiple, cash flow is strong",
            "strong buy on {i}, guidance beats the consensus by {p}%",
        ),
        "negative": (
            "{i} looks weak, we downgrade and cut our target by {p}%",
            "we expect {i} to underperform, earnings are declining",
            "{i} is our least favoured, losses are widening",
            "poor quarter at {i}, downside of {p}% from here",
            "{i} deserves a lower multiple, cash flow is weak",
            "sell {i}, guidance misses the consensus by {p}%",
        ),
        "neutral": (
            "{i} in line with our model, no change",
            "we keep {i} at hold, target unchanged",
            "nothing new on {i} from the call",
            "we moved our {i} model to the new fiscal year",
        ),
    },
    ends=(
        "",
        ", see table two",
        " over twelve months",
        ", the full note follows",
        " after talks with suppliers",
        " given the latest filings",
        ", our checks confirm it",
        " on revised numbers",
    ),
)
CROWD = Style(
    community="crowd",
    subjects=("${s}", "${s}", "{s}"),
    tags=False,
    openings=("", "", "lol ", "ok so ", "folks, ", "told you: ", "gm, ", "hear me out, ", "not advice but "),
    said={
        "positive": (
            "{i} to the moon, strong buy 🚀",
            "loving this {i} rally, up {p}% and going higher",
            "bought more {i}, great earnings, so bullish",
            "{i} calls are printing, what a surge",
            "{i} breakout looks amazing, huge gains ahead",
            "bulls win again, {i} squeezing higher {p}%",
        ),
        "negative": (
            "dumping all my {i}, this is going to crash 📉",
            "hating this {i} drop, down {p}% and going lower",
            "sold my {i}, terrible earnings, so bearish",
            "{i} puts are printing, what a plunge",
            "{i} chart looks awful, huge losses ahead",
            "bears win again, {i} sinking lower {p}%",
        ),
        "neutral": (
            "anyone watching {i} today?",
            "what time does {i} report?",
            "{i} is just sitting there",
            "still holding my {i} since spring",
        ),
    },
    ends=(
        "",
        "",
        " fr",
        " imo",
        " who is with me",
        " been saying it for weeks",
        " see you at the close",
        " no doubt",
        "!!",
    ),
)
TAPE = Style(
    community="tape",
    subjects=("${s}", "${s}", "{s}"),
    tags=False,
    openings=("", "", "Scan: ", "Flow: ", "5m chart: ", "Watch: ", "Alert: "),
    said={
        "positive": (
            "{i} strong bid, rallying {p}%, adding",
            "{i} beats resistance, buyers in control, long",
            "{i} surges through the high, momentum positive",
            "upgrade news lifts {i}, gains hold",
            "{i} strength, new highs, +{p}%",
        ),
        "negative": (
            "{i} heavy selling, plunging {p}%, out",
            "{i} loses support, sellers in control, short",
            "{i} falls through the low, momentum negative",
            "downgrade news hits {i}, losses grow",
            "{i} weakness, new lows, -{p}%",
        ),
        "neutral": (
            "{i} flat at the average price",
            "{i} inside yesterday's range",
            "{i} volume at its average, waiting",
        ),
    },
    ends=(
        "",
        "",
        " into the close",
        " on size",
        " from the open",
        " after the block",
        " vs sector",
        " third push",
        " so far",
    ),
)
STYLES: tuple[Style, ...] = (WIRE, DESK, CROWD, TAPE)

CHATTER: tuple[str, ...] = (
    "good morning everyone, coffee first",
    "does anybody know a good book about options?",
    "my screen froze again right at the open",
    "ALL of you should take a break, IT IS friday NOW",
    "thinking about a gap year and a visa application",
    "what a game last night, our side played well",
    "the meeting about rates is on wednesday, isn't it?",
    "lunch was great, the afternoon will be long",
    "who else trades from the kitchen table?",
    "ANY of you ON the new chart app? CAN it draw lines?",
    "rainy day here, so quiet in the office",
    "learned more from my losses than from any course",
    "patience is a position too",
    "remember to rest, the market will be there tomorrow",
)
_CHATTER_ENDS = ("", " :)", " again", " as always", " today", " just saying", ", or is it me?")


def about(style: Style, mood: Mood, symbol: str, name: str, choose: Choose) -> str:
    """A text in a style that names one instrument, with a mood."""
    subject = _one(style.subjects, choose).format(s=symbol, n=name)
    percent = f"{1 + choose(89) / 10:.1f}"
    said = _one(style.said[mood], choose).format(i=subject, p=percent)
    return f"{_one(style.openings, choose)}{said}{_one(style.ends, choose)}"


def chatter(choose: Choose) -> str:
    """A text that names no instrument."""
    return _one(CHATTER, choose) + _one(_CHATTER_ENDS, choose)


def _one(options: Sequence[str], choose: Choose) -> str:
    return options[choose(len(options))]
