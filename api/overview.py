"""The live table: what is known of each instrument now, in one answer."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query

from infra.clock import from_datetime, to_rfc3339

from .correlation import pair_fields
from .desk import CachedRoute, Desk, Serving, require_key
from .problems import described
from .queries import OverviewQuery
from .sentiment import moods_of
from .shapes import BestCorrelation, OverviewItem, OverviewShape
from .stocks import quotes_of
from .store import Row

router = APIRouter(prefix="/api/v1", tags=["overview"], route_class=CachedRoute, dependencies=[Depends(require_key)])
INTERVAL = 300


@router.get("/overview", responses=described(401, 404, 422))
async def overview(query: Annotated[OverviewQuery, Query()], desk: Serving) -> OverviewShape:
    """Quote, 300 s mood and best correlation of the instruments asked for, else of the most talked-about."""
    symbols = await _symbols(desk, query)
    quotes = await quotes_of(desk, symbols)
    moods = await moods_of(desk, symbols, INTERVAL)
    best = await desk.store.best_correlations(symbols)
    origins = await desk.store.origins([(symbol, row["interval"], row["event_time"]) for symbol, row in best.items()])
    items = [
        OverviewItem(
            symbol=symbol,
            name=await desk.directory.name(symbol),
            quote=quotes[symbol],
            sentiment=moods[symbol],
            correlation=_best_shape(best[symbol], origins[symbol]) if symbol in best else None,
        )
        for symbol in symbols
    ]
    return OverviewShape(items=items)


async def _symbols(desk: Desk, query: OverviewQuery) -> list[str]:
    if query.symbols is not None:
        wanted = dict.fromkeys(query.symbols.split(","))
        return list(dict.fromkeys([await desk.resolve(text) for text in wanted]))
    talked = await desk.store.talked_about(query.limit)
    quoted = await desk.store.quoted(query.limit) if len(talked) < query.limit else []
    return list(dict.fromkeys([*talked, *quoted]))[: query.limit]


def _best_shape(row: Row, origin: Row) -> BestCorrelation:
    event_time = to_rfc3339(from_datetime(row["event_time"]))
    span = {"interval": row["interval"], "window": row["window"], "event_time": event_time}
    return BestCorrelation(**span, **pair_fields(row), **origin)
