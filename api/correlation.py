"""Mood against price, over the last bars of an instrument."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query

from infra.clock import from_datetime, to_rfc3339

from .ages import is_stale
from .desk import CachedRoute, Serving, require_key
from .problems import described
from .queries import CorrelationQuery, Symbol, moment
from .shapes import CorrelationShape, PairShape
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
        **await desk.store.origin(known, query.interval, first["event_time"]),
    }
    return told.model_copy(update=more)


def pair_fields(row: Row) -> dict[str, Any]:
    """A correlation's row as the fields of :class:`PairShape`."""
    return {name: row[name] for name in PairShape.model_fields}
