"""The flow on one page: topic -> fold -> topic, in the direction in which the data moves.

A worker imports the fold of its own stage only: what a process loads when it starts is part of every recovery.
"""

from collections.abc import Callable
from dataclasses import replace

from infra.grid import Grid
from infra.instruments import InstrumentTable
from infra.settings import Settings
from schemas.replays import Replay
from schemas.topics import BARS, CORRELATIONS, MENTIONS, QUOTES, RAW_POSTS, RAW_QUOTES, SENTIMENT

from .selection import Selection
from .stage import Ask, Stage

SECOND = 1_000_000


def quotes(settings: Settings, instruments: InstrumentTable) -> Stage:
    """Raw prices, validated, deduplicated, flagged."""
    from .quotes import QuotesFold

    grid = Grid(settings.day_zone)
    return Stage(
        name="quotes",
        inputs=(RAW_QUOTES,),
        upstream=(None,),
        clocked=(QUOTES,),
        lateness=round(settings.quotes_lateness_seconds * SECOND),
        fold=lambda: QuotesFold(instruments.knows, grid),
    )


def bars(settings: Settings) -> Stage:
    """Prices folded into bars of four lengths, with indicators."""
    from .bars import BarsFold

    grid = Grid(settings.day_zone)
    return Stage(
        name="bars",
        inputs=(QUOTES,),
        upstream=(RAW_QUOTES,),
        clocked=(BARS,),
        fold=lambda: BarsFold(settings.quote_sources, grid),
    )


def posts(settings: Settings, instruments: InstrumentTable, ask: Ask) -> Stage:
    """Raw posts, deduplicated, matched with instruments, scored. Writes posts.v1 and mentions.v1."""
    from .matching import Matcher
    from .posts import PostsFold

    matcher = Matcher(instruments, settings.mention_confidence)
    return Stage(
        name="posts",
        inputs=(RAW_POSTS,),
        upstream=(None,),
        clocked=(MENTIONS,),
        broadcast=True,
        lateness=round(settings.posts_lateness_seconds * SECOND),
        fold=lambda: PostsFold(matcher),
        ask=ask,
        consume_records=256,
        chunks_in_flight=24,
    )


def moods(settings: Settings) -> Stage:
    """Mentions folded into moods of four lengths; every partition hears all partitions of the posts."""
    from .moods import MoodsFold

    grid = Grid(settings.day_zone)
    return Stage(
        name="moods",
        inputs=(MENTIONS,),
        upstream=(RAW_POSTS,),
        fan_in=True,
        clocked=(SENTIMENT,),
        fold=lambda: MoodsFold(grid, settings.post_sources),
    )


def correlations(settings: Settings) -> Stage:
    """Moods held against bars."""
    from .correlations import CorrelationsFold

    grid = Grid(settings.day_zone)
    return Stage(
        name="correlations",
        inputs=(BARS, SENTIMENT),
        upstream=(QUOTES, MENTIONS),
        clocked=(CORRELATIONS,),
        fold=lambda: CorrelationsFold(grid),
    )


STAGES = ("quotes", "bars", "posts", "moods", "correlations")


def stage_named(
    name: str, settings: Settings, load_instruments: Callable[[], InstrumentTable], ask: Callable[[], Ask]
) -> Stage:
    """The stage of a name of :data:`STAGES`; instruments and scorer are only reached for where needed."""
    if name == "quotes":
        return quotes(settings, load_instruments())
    if name == "posts":
        return posts(settings, load_instruments(), ask())
    return {"bars": bars, "moods": moods, "correlations": correlations}[name](settings)


def replaying(stage: Stage, replay: Replay) -> Stage:
    """A stage that works for a replay; the first ones let its symbols pass alone."""
    made = replace(stage, replay=replay)
    if not replay.symbols or None not in stage.upstream:
        return made
    return replace(made, fold=lambda: Selection(stage.fold(), frozenset(replay.symbols)))
