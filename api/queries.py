"""What callers may ask: parameters of the routes, each with its limits; an unknown parameter is an error."""

import re
from datetime import datetime
from enum import IntEnum
from typing import Annotated, Any, Self

from fastapi import Path
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, model_validator

from infra.clock import EARLIEST, LATEST, from_rfc3339, to_datetime
from infra.grid import Grid
from infra.instruments import LONGEST_SYMBOL, SYMBOL_MARKS

from .paging import DEFAULT_LIMIT, MAX_LIMIT, Cursors

_NAMES = re.compile(r"[a-z0-9_]{1,32}(,[a-z0-9_]{1,32}){0,31}")

INDICATORS = (
    "return_log",
    "sma20",
    "ema12",
    "ema26",
    "macd",
    "macd_signal",
    "rsi14",
    "bollinger_upper",
    "bollinger_lower",
    "atr14",
    "volatility20",
    "obv",
)


class Interval(IntEnum):
    """Lengths of buckets, seconds."""

    MINUTE = 60
    FIVE_MINUTES = 300
    HOUR = 3600
    DAY = 86400


def _moment(value: Any) -> Any:
    if not isinstance(value, str) or len(value) > 40:
        raise ValueError("must be an RFC 3339 time such as 2022-03-01T14:30:00Z")
    try:
        micros = from_rfc3339(value)
    except ValueError:
        raise ValueError("must be an RFC 3339 time such as 2022-03-01T14:30:00Z, with Z or an offset") from None
    if not EARLIEST <= micros <= LATEST:
        raise ValueError("must be in the years 1900 to 2199")
    return micros


Moment = Annotated[int, BeforeValidator(_moment), WithJsonSchema({"type": "string", "format": "date-time"})]
NOTATION = f"^[A-Za-z0-9{SYMBOL_MARKS}]+$"
Symbol = Annotated[
    str,
    Path(min_length=1, max_length=LONGEST_SYMBOL, pattern=NOTATION, description="Yahoo's notation, any case."),
]
AsOf = Annotated[
    Moment | None, Field(default=None, description="Answer with what was known then: known_time <= as_of.")
]


class Query(BaseModel):
    """A query without unknown parameters."""

    model_config = ConfigDict(extra="forbid")


class Now(Query):
    """A query for the newest."""

    as_of: AsOf


class CurrentQuery(Now):
    """Which buckets' newest."""

    interval: Interval = Interval.FIVE_MINUTES


class Span(Now):
    """A span of event time in pages."""

    from_: Moment | None = Field(
        default=None, alias="from", description="First event_time, inclusive; unset = the oldest."
    )
    to: Moment | None = Field(default=None, description="Last event_time, exclusive; unset = the newest.")
    limit: int = Field(default=DEFAULT_LIMIT, ge=1, le=MAX_LIMIT, description="Most items of one answer.")
    next: str | None = Field(default=None, description="Cursor of the answer before.")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.from_ is not None and self.to is not None and self.from_ > self.to:
            raise ValueError("from must not be after to")
        return self

    def bound(self, route: str, symbol: str) -> dict[str, Any]:
        """What a cursor of this query is bound to."""
        chosen = self.model_dump(mode="json", exclude={"limit", "next"})
        return {"route": route, "symbol": symbol, **chosen}

    def after(self, cursors: Cursors, route: str, symbol: str) -> list[Any] | None:
        """Position of the last item of the page before, None for the first page.

        Raises:
            Problem: 400, a cursor that is not of this query.
        """
        return None if self.next is None else cursors.read(self.bound(route, symbol), self.next)

    def params(self) -> dict[str, datetime | int | None]:
        """The span as parameters of SQL; one row more than the page shows whether there is a next one."""
        return {
            "from": moment(self.from_),
            "to": moment(self.to),
            "as_of": moment(self.as_of),
            "limit": self.limit + 1,
        }


class BarsQuery(Span):
    """A span of bars."""

    interval: Interval = Interval.MINUTE


class IndicatorsQuery(BarsQuery):
    """A span of indicators."""

    names: str | None = Field(
        default=None, max_length=400, description=f"Comma-separated, of {', '.join(INDICATORS)}; unset = all."
    )

    @property
    def chosen(self) -> list[str]:
        """Names asked for, in the given order."""
        return list(INDICATORS) if self.names is None else self.names.split(",")

    @model_validator(mode="after")
    def _known(self) -> Self:
        if self.names is not None and (not _NAMES.fullmatch(self.names) or set(self.chosen) - set(INDICATORS)):
            raise ValueError(f"names: comma-separated, of {', '.join(INDICATORS)}")
        return self


class MoodsQuery(Span):
    """A span of moods."""

    interval: Interval = Interval.FIVE_MINUTES


class PostsQuery(Span):
    """A span of posts, or those of one mood."""

    bucket: Moment | None = Field(
        default=None, description="event_time of a mood: exactly the posts of its bucket; instead of from and to."
    )
    interval: Interval = Field(default=Interval.FIVE_MINUTES, description="Interval of that mood.")

    @model_validator(mode="after")
    def _one_span(self) -> Self:
        if self.bucket is not None and (self.from_ is not None or self.to is not None):
            raise ValueError("bucket stands instead of from and to")
        return self

    def params_on(self, grid: Grid) -> dict[str, datetime | int | None]:
        """The span as parameters of SQL; a bucket is (start, end], a span [from, to)."""
        if self.bucket is None:
            return self.params()
        start, end = grid.bucket(self.bucket, self.interval)
        return {**self.params(), "from": to_datetime(start + 1), "to": to_datetime(end + 1)}


class CorrelationQuery(CurrentQuery):
    """Which window."""

    window: int = Field(default=60, ge=2, le=10_000, description="Bars in the window: 60 or 390 (86400 s: 60).")


class PatternsQuery(CurrentQuery):
    """Which instrument, else the most talked-about."""

    symbol: str | None = Field(
        default=None,
        min_length=1,
        max_length=32,
        pattern=NOTATION,
        description="One instrument; unset = those that were most talked about in the newest day.",
    )
    limit: int = Field(default=20, ge=1, le=100, description="Most items of the answer.")


class PredictionsQuery(CurrentQuery):
    """Which instrument."""

    symbol: str = Field(min_length=1, max_length=LONGEST_SYMBOL, pattern=NOTATION)


class OverviewQuery(Query):
    """Which symbols, or how many of the most talked-about."""

    symbols: str | None = Field(
        default=None, max_length=1000, pattern=r"^[A-Za-z0-9.^=&_-]{1,32}(,[A-Za-z0-9.^=&_-]{1,32})*$"
    )
    limit: int = Field(default=20, ge=1, le=100)


class SearchBody(BaseModel):
    """What to search for."""

    model_config = ConfigDict(extra="forbid")
    query: str = Field(min_length=1, max_length=100, description="Part of a symbol or of a name.")
    limit: int = Field(default=10, ge=1, le=50)


def moment(micros: int | None) -> datetime | None:
    """A time as PostgreSQL takes it."""
    return None if micros is None else to_datetime(micros)
