"""Mood against price: over the last bars of an instrument, in patterns, and in what may come next."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query

from infra.clock import from_datetime, to_datetime, to_rfc3339

from .ages import is_stale
from .desk import CachedRoute, Desk, Serving, require_key
from .forecast import LOOK_BACK
from .patterns import rank
from .problems import described
from .queries import CorrelationQuery, CurrentQuery, PatternsQuery, PredictionsQuery, Symbol, moment
from .shapes import CorrelationShape, PairShape
from .signal_shapes import PatternsShape, PredictionShape, pattern_item, prediction_shape
from .signals import MOST_SYMBOLS, evidence_of, series_of
from .store import Row

router = APIRouter(
    prefix="/api/v1/correlation", tags=["correlation"], route_class=CachedRoute, dependencies=[Depends(require_key)]
)


@router.get("/{symbol}/sentiment", responses=described(401, 404, 422))
async def sentiment(symbol: Symbol, query: Annotated[CorrelationQuery, Query()], desk: Serving) -> CorrelationShape:
    """The newest correlations of one window, every pair and method, with what they do not mean."""
    known = await desk.resolve(symbol)
    rows = await desk.store.correlations(known, query.interval, query.window, moment(query.as_of))
    told = CorrelationShape(symbol=known, interval=query.interval, window=query.window)
    if not rows:
        return told
    first = rows[0]
    age = await desk.ages.of("correlation", first, query.as_of)
    more = {
        "event_time": to_rfc3339(from_datetime(first["event_time"])),
        "pairs": [PairShape(**pair_fields(row)) for row in rows],
        "age_seconds": age,
        "stale": is_stale("correlation", age, query.interval),
        "status": "ok",
        **await _origin(desk, known, query, first["event_time"]),
    }
    return told.model_copy(update=more)


@router.get("/patterns", responses=described(401, 404, 422))
async def patterns(query: Annotated[PatternsQuery, Query()], desk: Serving) -> PatternsShape:
    """Where mood and price show a pattern, and which way the next bar went after it before."""
    if query.symbol is not None:
        symbols = [await desk.resolve(query.symbol)]
    else:
        symbols = await desk.store.talked_about(MOST_SYMBOLS, moment(query.as_of))
    each = [await evidence_of(desk, symbol, query.interval, query.as_of) for symbol in symbols]
    found = [item for items in each for item in items]
    ranked = rank(found, query.limit)
    ends = {item.symbol: to_datetime(item.event_time) for item in ranked}
    asked = [(symbol, query.interval, end) for symbol, end in ends.items()]
    origins = await desk.store.origins(asked, moment(query.as_of))
    return PatternsShape(
        interval=query.interval,
        items=[pattern_item(item, origins[item.symbol]) for item in ranked],
        symbols_looked_at=sum(map(bool, each)),
        tests=sum(item.p_value is not None for item in found),
        status="ok" if found else "no_data",
    )


@router.get("/predictions", responses=described(401, 404, 422))
async def predictions(query: Annotated[PredictionsQuery, Query()], desk: Serving) -> PredictionShape:
    """Which way the next bar may go, with how good such forecasts were on the bars before."""
    known = await desk.resolve(query.symbol)
    series = await series_of(desk, known, query.interval, LOOK_BACK, query.as_of)
    told = await desk.forecasts.of(series, query.interval)
    shape = prediction_shape(known, query.interval, told)
    if told is None:
        return shape
    return shape.model_copy(update=await _origin(desk, known, query, to_datetime(told.event_time)))


async def _origin(desk: Desk, symbol: str, query: CurrentQuery, end: datetime) -> Row:
    """``price_source, model, model_version`` behind figures of one instrument."""
    return (await desk.store.origins([(symbol, query.interval, end)], moment(query.as_of)))[symbol]


def pair_fields(row: Row) -> dict[str, Any]:
    """A correlation's row as the fields of :class:`PairShape`."""
    return {name: row[name] for name in PairShape.model_fields}
