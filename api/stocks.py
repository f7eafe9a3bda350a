"""Prices: the newest quote, bars, indicators, and a search of instruments."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query

from infra.clock import from_datetime, to_datetime, to_rfc3339

from .ages import is_stale
from .desk import At, CachedRoute, Desk, Serving, cut_page, require_key
from .problems import described
from .queries import BarsQuery, IndicatorsQuery, Now, SearchBody, Symbol, moment
from .shapes import (
    BarShape,
    HistoryShape,
    IndicatorsItem,
    IndicatorsShape,
    InstrumentShape,
    QuoteShape,
    SearchShape,
)
from .store import Row

router = APIRouter(
    prefix="/api/v1/stocks", tags=["stocks"], route_class=CachedRoute, dependencies=[Depends(require_key)]
)


@router.get("/{symbol}/quote", responses=described(401, 404, 422))
async def quote(symbol: Symbol, query: Annotated[Now, Query()], desk: Serving) -> QuoteShape:
    """The newest price, its change against the last day's close, and how old it is."""
    known = await desk.resolve(symbol)
    return (await quotes_of(desk, [known], query.as_of))[known]


@router.get("/{symbol}/history", responses=described(400, 401, 404, 422))
async def history(symbol: Symbol, query: Annotated[BarsQuery, Query()], desk: Serving) -> HistoryShape:
    """Bars of one interval, ascending."""
    known = await desk.resolve(symbol)
    rows, following = await bars_page(desk, "history", known, query)
    items = [bar_shape(row) for row in rows]
    return HistoryShape(
        symbol=known, interval=query.interval, items=items, next=following, status="ok" if items else "no_data"
    )


@router.get("/{symbol}/indicators", responses=described(400, 401, 404, 422))
async def indicators(symbol: Symbol, query: Annotated[IndicatorsQuery, Query()], desk: Serving) -> IndicatorsShape:
    """Indicators of the bars of one interval, ascending, each as known when its bar was emitted."""
    known = await desk.resolve(symbol)
    rows, following = await bars_page(desk, "indicators", known, query)
    items = [
        IndicatorsItem(
            event_time=to_rfc3339(from_datetime(row["event_time"])),
            values={name: row[name] for name in query.chosen},
            source=row["source"],
            revision=row["revision"],
        )
        for row in rows
    ]
    return IndicatorsShape(
        symbol=known, interval=query.interval, items=items, next=following, status="ok" if items else "no_data"
    )


@router.post("/search", responses=described(401, 422))
async def search(body: SearchBody, desk: At) -> SearchShape:
    """Instruments by part of a symbol or a name, best first."""
    found = await desk.directory.search(body.query, body.limit)
    return SearchShape(
        items=[InstrumentShape(symbol=i.symbol, name=i.name, exchange=i.exchange, currency=i.currency) for i in found]
    )


async def quotes_of(desk: Desk, symbols: list[str], as_of: int | None = None) -> dict[str, QuoteShape]:
    """The newest quote of each symbol; ``no_data`` where there is none."""
    stored = {row["symbol"]: row for row in await desk.store.quotes(symbols, moment(as_of))}
    if as_of is None:
        stored = desk.snapshot.newest("quote:{}", symbols, stored, desk.store.replay)
    rows = list(stored.values())
    starts = [to_datetime(desk.grid.bucket(from_datetime(row["event_time"]), 86400)[0]) for row in rows]
    closes = await desk.store.day_closes([row["symbol"] for row in rows], starts, moment(as_of)) if rows else {}
    found = {symbol: QuoteShape(symbol=symbol) for symbol in symbols}
    for row in rows:
        age = await desk.ages.of("quote", row, as_of)
        found[row["symbol"]] = quote_shape(row, closes.get(row["symbol"]), age)
    return found


def quote_shape(row: Row, day_close: float | None, age_seconds: float) -> QuoteShape:
    """A quote's row against the close of the day before; no change is told against a close of 0."""
    change = None if day_close is None else row["price"] - day_close
    return QuoteShape(
        **{name: row[name] for name in ("symbol", "price", "bid", "ask", "volume", "currency", "session", "source")},
        change=change,
        change_percent=100 * change / day_close if change is not None and day_close else None,
        event_time=to_rfc3339(from_datetime(row["event_time"])),
        age_seconds=age_seconds,
        flags=row["flags"],
        status="stale" if is_stale("quote", age_seconds) else "live",
    )


def bar_shape(row: Row) -> BarShape:
    """A bar's row as it is told."""
    return BarShape(
        start=to_rfc3339(from_datetime(row["start"])),
        event_time=to_rfc3339(from_datetime(row["event_time"])),
        **{name: row[name] for name in ("open", "high", "low", "close", "volume", "vwap", "revision", "source")},
    )


async def bars_page(desk: Desk, route: str, symbol: str, query: BarsQuery) -> tuple[list[Row], str | None]:
    """One page of bars and the cursor of the next."""
    position = query.after(desk.cursors, route, symbol)
    after = None if position is None else moment(position[0])
    rows = await desk.store.bars(symbol, query.interval, after, **query.params())
    return cut_page(desk, route, symbol, query, rows)
