"""Moods: the newest one, those of a span, the posts behind them, and how the post sources are doing."""

from datetime import timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query

from infra.clock import from_datetime, to_datetime, to_rfc3339

from .ages import LIMITS, is_stale
from .desk import CachedRoute, Desk, Serving, cut_page, require_key
from .problems import described
from .queries import CurrentQuery, MoodsQuery, PostsQuery, Symbol, moment
from .shapes import (
    PostItem,
    PostsShape,
    SentimentHistoryShape,
    SentimentShape,
    SourceItem,
    SourcesShape,
    label_of,
    mood_status,
)
from .store import Row

router = APIRouter(
    prefix="/api/v1/sentiment", tags=["sentiment"], route_class=CachedRoute, dependencies=[Depends(require_key)]
)

_PLAIN = (
    "symbol",
    "interval",
    "revision",
    "score",
    "score_weighted",
    "mentions",
    "duplicates",
    "authors",
    "positive",
    "negative",
    "neutral",
    "buzz_z",
    "coverage",
    "sources",
    "keywords",
    "model",
    "model_version",
)
_POST_PLAIN = (
    "source",
    "post_id",
    "revision",
    "url",
    "community",
    "rule",
    "confidence",
    "spam",
    "flags",
    "score",
    "label",
    "positive",
    "negative",
    "neutral",
    "model",
    "model_version",
)


@router.get("/sources", responses=described(401))
async def sources(desk: Serving) -> SourcesShape:
    """Every post source that is enabled or was heard of."""
    heard = {row["source"]: row for row in await desk.store.post_sources()}
    names = sorted({*heard, *desk.settings.post_sources})
    return SourcesShape(items=[await source_item(desk, name, heard.get(name)) for name in names])


@router.get("/{symbol}/current", responses=described(401, 404, 422))
async def current(symbol: Symbol, query: Annotated[CurrentQuery, Query()], desk: Serving) -> SentimentShape:
    """The mood of the newest bucket."""
    known = await desk.resolve(symbol)
    return (await moods_of(desk, [known], query.interval, query.as_of))[known]


@router.get("/{symbol}/history", responses=described(400, 401, 404, 422))
async def history(symbol: Symbol, query: Annotated[MoodsQuery, Query()], desk: Serving) -> SentimentHistoryShape:
    """Moods of one interval, ascending; buckets without posts are not there."""
    known = await desk.resolve(symbol)
    position = query.after(desk.cursors, "moods", known)
    after = None if position is None else moment(position[0])
    rows = await desk.store.moods(known, query.interval, after, **query.params())
    kept, following = cut_page(desk, "moods", known, query, rows)
    return SentimentHistoryShape(
        symbol=known,
        interval=query.interval,
        items=[mood_shape(row) for row in kept],
        next=following,
        status="ok" if kept else "no_data",
    )


@router.get("/{symbol}/posts", responses=described(400, 401, 404, 422))
async def posts(symbol: Symbol, query: Annotated[PostsQuery, Query()], desk: Serving) -> PostsShape:
    """The posts that named the instrument: what made its mood. Texts stay with their sources."""
    known = await desk.resolve(symbol)
    position = query.after(desk.cursors, "posts", known)
    after = (None, "", "") if position is None else (moment(position[0]), position[1], position[2])
    rows = await desk.store.posts(known, after, **query.params_on(desk.grid))
    kept, following = cut_page(desk, "posts", known, query, rows, ("source", "post_id"))
    return PostsShape(
        symbol=known, items=[post_item(row) for row in kept], next=following, status="ok" if kept else "no_data"
    )


async def moods_of(
    desk: Desk, symbols: list[str], interval: int, as_of: int | None = None
) -> dict[str, SentimentShape]:
    """The newest mood of each symbol; ``no_data`` where there is none."""
    found = {symbol: SentimentShape(symbol=symbol, interval=interval) for symbol in symbols}
    stored = {row["symbol"]: row for row in await desk.store.moods_now(symbols, interval, moment(as_of))}
    if as_of is None:
        stored = desk.snapshot.newest(f"sentiment:{{}}:{interval:d}", symbols, stored, desk.store.replay)
    for symbol, row in stored.items():
        age = await desk.ages.of("sentiment", row, as_of)
        stale = is_stale("sentiment", age, interval)
        found[symbol] = mood_shape(row, age_seconds=age, stale=stale)
    return found


def mood_shape(row: Row, **more: Any) -> SentimentShape:
    """A mood's row as it is told."""
    return SentimentShape(
        **{name: row[name] for name in _PLAIN},
        start=to_rfc3339(from_datetime(row["start"])),
        event_time=to_rfc3339(from_datetime(row["event_time"])),
        label=label_of(row["score"]),
        status=mood_status(row),
        **more,
    )


def post_item(row: Row) -> PostItem:
    """A mention's row as it is told."""
    event_time = to_rfc3339(from_datetime(row["event_time"]))
    return PostItem(event_time=event_time, **{name: row[name] for name in _POST_PLAIN})


async def source_item(desk: Desk, source: str, newest: Row | None) -> SourceItem:
    """How one source of posts is doing; the day ends now, or where a played source has come."""
    if newest is None:
        return SourceItem(source=source, status="off", last_event_time=None, posts_24h=0, gaps_24h=0)
    last = from_datetime(newest["event_time"])
    end = to_datetime(await desk.ages.reference("post", newest))
    since = end - timedelta(days=1)
    gaps = await desk.store.gaps(source, since, end)
    age = (end - newest["event_time"]).total_seconds()
    blind = gaps["last_end"] is not None and gaps["last_end"] >= newest["event_time"]
    return SourceItem(
        source=source,
        status="blind" if blind else "stale" if age > LIMITS["sentiment"] else "live",
        last_event_time=to_rfc3339(last),
        posts_24h=await desk.store.count_posts(source, since, end),
        gaps_24h=gaps["gaps"],
    )
