"""What the routes read from PostgreSQL. Every statement is a constant; values travel as parameters only.

A revision is a row of its own: a statement answers, for each logical key, the greatest revision, or the
greatest with ``known_time <= as_of``. Rows of one version are served: the live flow's, or those of the replay that
somebody switched to; gaps and instruments are the same in all. Times come out as ``datetime``.
"""

from collections.abc import Sequence
from copy import copy
from datetime import datetime
from typing import Any, LiteralString

import psycopg
from psycopg.rows import DictRow, dict_row
from psycopg_pool import AsyncConnectionPool, PoolTimeout, TooManyRequests

from infra.errors import ServiceUnavailable
from schemas.replays import LIVE

Row = dict[str, Any]
AWAY = "The database cannot be reached; `moodtape status` shows whether it runs."
CLOCK_KEYS = {"quote": ("source",), "sentiment": ("interval",), "correlation": ("interval", "window")}
ORIGIN = ("price_source", "model", "model_version")
"""What a figure names that was worked out of bars and moods."""
NO_SCHEMA = "The database lacks our tables; run `moodtape migrate`."

_QUOTES: LiteralString = """
select q.* from unnest(%(symbols)s::text[]) s(symbol) cross join lateral (
    select * from quote
    where quote.symbol = s.symbol and replay = %(replay)s and event_time <= coalesce(%(as_of)s::timestamptz, 'infinity')
      and ingest_time <= coalesce(%(as_of)s::timestamptz, 'infinity')
    order by event_time desc, revision desc, sequence desc nulls last, ingest_time desc limit 1) q
"""
_DAY_CLOSES: LiteralString = """
select b.symbol, b.close from unnest(%(symbols)s::text[], %(starts)s::timestamptz[]) s(symbol, day_start)
cross join lateral (
    select symbol, close from bar
    where bar.symbol = s.symbol and "interval" = 86400 and replay = %(replay)s and event_time <= s.day_start
      and known_time <= coalesce(%(as_of)s::timestamptz, 'infinity')
    order by event_time desc, revision desc limit 1) b
"""
_BARS: LiteralString = """
select distinct on (event_time) * from bar
where symbol = %(symbol)s and "interval" = %(interval)s and replay = %(replay)s
  and event_time >= coalesce(%(from)s::timestamptz, '-infinity')
  and event_time < coalesce(%(to)s::timestamptz, 'infinity')
  and event_time > coalesce(%(after)s::timestamptz, '-infinity')
  and known_time <= coalesce(%(as_of)s::timestamptz, 'infinity')
order by event_time, revision desc limit %(limit)s
"""
_MOODS: LiteralString = """
select distinct on (event_time) * from sentiment
where symbol = %(symbol)s and "interval" = %(interval)s and replay = %(replay)s
  and event_time >= coalesce(%(from)s::timestamptz, '-infinity')
  and event_time < coalesce(%(to)s::timestamptz, 'infinity')
  and event_time > coalesce(%(after)s::timestamptz, '-infinity')
  and known_time <= coalesce(%(as_of)s::timestamptz, 'infinity')
order by event_time, revision desc limit %(limit)s
"""
_MOOD_NOW: LiteralString = """
select m.* from unnest(%(symbols)s::text[]) s(symbol) cross join lateral (
    select * from sentiment
    where sentiment.symbol = s.symbol and "interval" = %(interval)s and replay = %(replay)s
      and event_time <= coalesce(%(as_of)s::timestamptz, 'infinity')
      and known_time <= coalesce(%(as_of)s::timestamptz, 'infinity')
    order by event_time desc, revision desc limit 1) m
"""
# A later revision may be known only after as_of, have deleted the mention, or lie at another time, also outside the
# span: only what no revision known by then replaces is told.
_POSTS: LiteralString = """
select * from (
    select distinct on (event_time, source, post_id) * from mention m
    where symbol = %(symbol)s and replay = %(replay)s
      and event_time >= coalesce(%(from)s::timestamptz, '-infinity')
      and event_time < coalesce(%(to)s::timestamptz, 'infinity')
      and (%(after)s::timestamptz is null
           or (event_time, source, post_id) > (%(after)s, %(after_source)s, %(after_post)s))
      and event_time <= coalesce(%(as_of)s::timestamptz, 'infinity')
      and ingest_time <= coalesce(%(as_of)s::timestamptz, 'infinity')
      and not exists (
          select from mention later
          where later.source = m.source and later.post_id = m.post_id and later.revision > m.revision
            and later.symbol = m.symbol and later.replay = m.replay
            and later.event_time <= coalesce(%(as_of)s::timestamptz, 'infinity')
            and later.ingest_time <= coalesce(%(as_of)s::timestamptz, 'infinity'))
    order by event_time, source, post_id, revision desc) newest
where not deleted order by event_time, source, post_id limit %(limit)s
"""
_CORRELATION: LiteralString = """
with newest as (
    select event_time from correlation
    where symbol = %(symbol)s and "interval" = %(interval)s and "window" = %(window)s and replay = %(replay)s
      and known_time <= coalesce(%(as_of)s::timestamptz, 'infinity')
    order by event_time desc limit 1)
select distinct on (pair, method) * from correlation
where symbol = %(symbol)s and "interval" = %(interval)s and "window" = %(window)s and replay = %(replay)s
  and event_time = (select event_time from newest)
  and known_time <= coalesce(%(as_of)s::timestamptz, 'infinity')
order by pair, method, revision desc
"""
_BEST: LiteralString = """
select c.* from unnest(%(symbols)s::text[]) s(symbol)
cross join (values (60, 60), (60, 390), (300, 60), (300, 390), (3600, 60), (3600, 390), (86400, 60)) w(seconds, bars)
cross join lateral (
    select * from correlation
    where correlation.symbol = s.symbol and "interval" = w.seconds and "window" = w.bars and replay = %(replay)s
      and pair = 'MOOD_RETURN' and method = 'PEARSON'
    order by event_time desc, revision desc limit 1) c
order by c.symbol, c.status = 'OK' desc, c.p_best nulls last, c.n desc, c."interval", c."window"
"""
_RECENT_BARS: LiteralString = """
select event_time, start, known_time, return_log, volatility20 from bar
where symbol = %(symbol)s and "interval" = %(interval)s and replay = %(replay)s
  and event_time <= coalesce(%(as_of)s::timestamptz, 'infinity')
  and known_time <= coalesce(%(as_of)s::timestamptz, 'infinity')
  and event_time >= (
    select min(event_time) from (
        select distinct event_time from bar
        where symbol = %(symbol)s and "interval" = %(interval)s and replay = %(replay)s
          and event_time <= coalesce(%(as_of)s::timestamptz, 'infinity')
          and known_time <= coalesce(%(as_of)s::timestamptz, 'infinity')
        order by event_time desc limit %(bars)s) newest)
order by event_time, revision
"""
_RECENT_MOODS: LiteralString = """
select event_time, known_time, score, mentions, positive, negative, neutral, buzz_z from sentiment
where symbol = %(symbol)s and "interval" = %(interval)s and replay = %(replay)s
  and event_time > %(after)s and event_time <= %(to)s
  and known_time <= coalesce(%(as_of)s::timestamptz, 'infinity')
order by event_time, revision
"""
_RECENT_LEADS: LiteralString = """
select event_time, known_time, status, best_lag, p_best, r_by_lag[array_position(lags, best_lag)] as r from correlation
where symbol = %(symbol)s and "interval" = %(interval)s and "window" = 60 and replay = %(replay)s
  and pair = 'MOOD_RETURN' and method = 'PEARSON' and event_time > %(after)s and event_time <= %(to)s
  and known_time <= coalesce(%(as_of)s::timestamptz, 'infinity')
order by event_time, revision
"""
_ORIGINS: LiteralString = """
select asked.symbol, b.source as price_source, m.model, m.model_version
from unnest(%(symbols)s::text[], %(intervals)s::int[], %(ends)s::timestamptz[]) asked(symbol, seconds, until)
left join lateral (
    select source from bar
    where bar.symbol = asked.symbol and "interval" = asked.seconds and replay = %(replay)s and event_time <= asked.until
      and known_time <= coalesce(%(as_of)s::timestamptz, 'infinity')
    order by event_time desc, revision desc limit 1) b on true
left join lateral (
    select model, model_version from sentiment
    where sentiment.symbol = asked.symbol and "interval" = 60 and replay = %(replay)s and event_time <= asked.until
      and known_time <= coalesce(%(as_of)s::timestamptz, 'infinity') and model is not null
    order by event_time desc, revision desc limit 1) m on true
"""
_NEWEST_QUOTE: LiteralString = """
select event_time from quote where source = %(source)s and replay = %(replay)s order by event_time desc limit 1
"""
_NEWEST_PRICE: LiteralString = """
select source, event_time, ingest_time, stored_at from quote where replay = %(replay)s order by event_time desc limit 1
"""
_NEWEST_MOOD: LiteralString = """
select event_time from sentiment
where "interval" = %(interval)s and replay = %(replay)s order by event_time desc limit 1
"""
_NEWEST_CORRELATION: LiteralString = """
select event_time from correlation
where "interval" = %(interval)s and "window" = %(window)s and replay = %(replay)s order by event_time desc limit 1
"""
_TALKED: LiteralString = """
select symbol from sentiment
where "interval" = 3600 and replay = %(replay)s
  and event_time <= coalesce(%(as_of)s::timestamptz, 'infinity')
  and known_time <= coalesce(%(as_of)s::timestamptz, 'infinity')
  and event_time > (select max(event_time) - interval '1 day' from sentiment
                    where "interval" = 3600 and replay = %(replay)s
                      and event_time <= coalesce(%(as_of)s::timestamptz, 'infinity')
                      and known_time <= coalesce(%(as_of)s::timestamptz, 'infinity'))
group by symbol order by sum(mentions) desc, symbol limit %(limit)s
"""
_QUOTED: LiteralString = """
with recursive s(symbol, nth) as (
    (select symbol, 1 from quote where replay = %(replay)s order by symbol limit 1)
    union all
    select (select symbol from quote
            where replay = %(replay)s and quote.symbol > s.symbol order by symbol limit 1), nth + 1
    from s where s.symbol is not null and nth < %(limit)s)
select symbol from s where symbol is not null
"""
_STORED: LiteralString = """
select exists (select from quote where symbol = %(symbol)s and replay = %(replay)s)
    or exists (select from bar where symbol = %(symbol)s and replay = %(replay)s)
    or exists (select from sentiment where symbol = %(symbol)s and replay = %(replay)s)
    or exists (select from mention where symbol = %(symbol)s and replay = %(replay)s) as stored
"""
_INSTRUMENTS: LiteralString = """
select symbol, name, exchange, currency, former_symbols, aliases from latest_instrument
"""
_POST_SOURCES: LiteralString = """
with recursive s(source) as (
    (select source from post order by source limit 1)
    union all
    select (select source from post where post.source > s.source order by source limit 1)
    from s where source is not null)
select p.* from s cross join lateral (
    select source, event_time, ingest_time, stored_at from post
    where post.source = s.source and replay = %(replay)s order by event_time desc limit 1) p
"""
_POST_COUNT: LiteralString = """
select count(distinct post_id) as posts from post
where source = %(source)s and replay = %(replay)s and event_time > %(since)s and event_time <= %(to)s
"""
_GAPS: LiteralString = """
select count(*) filter (where event_time > %(since)s) as gaps, max(event_time) as last_end from gap
where source = %(source)s and replay = 'live' and stream like '%%posts%%' and event_time <= %(to)s
"""


class Store:
    """Statements against one database, over a small pool that comes back by itself when the server does.

    Every method raises :class:`ServiceUnavailable` when the database is away, too slow or not migrated. ``replay`` is
    the version whose rows it reads.
    """

    replay = LIVE

    def __init__(self, url: str) -> None:
        self._pool: AsyncConnectionPool[psycopg.AsyncConnection[DictRow]] = AsyncConnectionPool(
            url,
            open=False,
            min_size=1,
            max_size=8,
            timeout=5,  # as long as a statement may take
            max_waiting=200,
            # Short, so that a request tries anew soon after the server is back; longer ones back off for minutes.
            reconnect_timeout=2,
            check=AsyncConnectionPool.check_connection,
            kwargs={
                "autocommit": True,
                "row_factory": dict_row,
                "connect_timeout": 3,
                "application_name": "moodtape-api",
                "options": "-c timezone=UTC -c statement_timeout=5000 -c default_transaction_read_only=on",
            },
            name="api",
        )

    async def open(self) -> None:
        """Start the pool without waiting for the server."""
        await self._pool.open(wait=False)

    async def close(self) -> None:
        """Give the connections back."""
        await self._pool.close(timeout=2)

    async def serving(self) -> "Store":
        """The same over the version that readers shall see now; an answer is made by one of these from end to end."""
        store = copy(self)
        store.replay = (await self._rows("select replay from served"))[0]["replay"]
        return store

    async def _rows(self, statement: LiteralString, **params: Any) -> list[Row]:
        try:
            async with self._pool.connection() as connection:
                cursor = await connection.execute(statement, {**params, "replay": self.replay})
                return await cursor.fetchall()
        except (PoolTimeout, TooManyRequests, psycopg.OperationalError, psycopg.InterfaceError):
            raise ServiceUnavailable(AWAY) from None
        except (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn):
            raise ServiceUnavailable(NO_SCHEMA) from None

    async def ping(self) -> None:
        """Ask the server for anything at all that needs our tables."""
        await self._rows("select 1 from schema_migration limit 1")

    async def quotes(self, symbols: Sequence[str], as_of: datetime | None = None) -> list[Row]:
        """The newest quote of each symbol that has one."""
        return await self._rows(_QUOTES, symbols=list(symbols), as_of=as_of)

    async def day_closes(
        self, symbols: Sequence[str], starts: Sequence[datetime], as_of: datetime | None = None
    ) -> dict[str, float]:
        """By symbol the close of the last day's bar that ended at or before the symbol's ``starts``."""
        rows = await self._rows(_DAY_CLOSES, symbols=list(symbols), starts=list(starts), as_of=as_of)
        return {row["symbol"]: row["close"] for row in rows}

    async def bars(self, symbol: str, interval: int, after: datetime | None, **span: Any) -> list[Row]:
        """Bars of a span, ascending; ``span`` is :meth:`api.queries.Span.params`."""
        return await self._rows(_BARS, symbol=symbol, interval=interval, after=after, **span)

    async def moods(self, symbol: str, interval: int, after: datetime | None, **span: Any) -> list[Row]:
        """Moods of a span, ascending."""
        return await self._rows(_MOODS, symbol=symbol, interval=interval, after=after, **span)

    async def moods_now(self, symbols: Sequence[str], interval: int, as_of: datetime | None = None) -> list[Row]:
        """The newest mood of each symbol that has one."""
        return await self._rows(_MOOD_NOW, symbols=list(symbols), interval=interval, as_of=as_of)

    async def posts(self, symbol: str, after: tuple[datetime | None, str, str], **span: Any) -> list[Row]:
        """Mentions of a span, ascending, the highest revision of each, deleted ones left out."""
        time, source, post_id = after
        return await self._rows(_POSTS, symbol=symbol, after=time, after_source=source, after_post=post_id, **span)

    async def correlations(self, symbol: str, interval: int, window: int, as_of: datetime | None) -> list[Row]:
        """All pairs and methods at the newest event_time."""
        return await self._rows(_CORRELATION, symbol=symbol, interval=interval, window=window, as_of=as_of)

    async def best_correlations(self, symbols: Sequence[str]) -> dict[str, Row]:
        """By symbol, of the newest mood-and-return row of each interval and window, the OK one of least p_best."""
        best: dict[str, Row] = {}
        for row in await self._rows(_BEST, symbols=list(symbols)):
            best.setdefault(row["symbol"], row)
        return best

    async def origins(
        self, asked: Sequence[tuple[str, int, datetime]], as_of: datetime | None = None
    ) -> dict[str, Row]:
        """``price_source, model, model_version`` behind what was worked out of bars and moods, by symbol.

        Args:
            asked: (symbol, interval, end of the newest bar), each symbol once.
            as_of: nothing that was known later counts; None = everything does.
        """
        if not asked:
            return {}
        symbols, intervals, ends = (list(column) for column in zip(*asked, strict=True))
        rows = await self._rows(_ORIGINS, symbols=symbols, intervals=intervals, ends=ends, as_of=as_of)
        return {row["symbol"]: {name: row[name] for name in ORIGIN} for row in rows}

    async def newest(self, table: str, **key: Any) -> Row | None:
        """The row with the newest event_time of those with a :data:`CLOCK_KEYS`; of table ``played`` any price."""
        statements = {
            "quote": _NEWEST_QUOTE,
            "sentiment": _NEWEST_MOOD,
            "correlation": _NEWEST_CORRELATION,
            "played": _NEWEST_PRICE,
        }
        rows = await self._rows(statements[table], **key)
        return rows[0] if rows else None

    async def recent_bars(self, symbol: str, interval: int, bars: int, as_of: datetime | None) -> list[Row]:
        """All revisions of the newest ``bars`` bars, by (event_time, revision)."""
        return await self._rows(_RECENT_BARS, symbol=symbol, interval=interval, bars=bars, as_of=as_of)

    async def recent_moods(self, symbol: str, interval: int, **span: datetime | None) -> list[Row]:
        """All revisions of the moods in (after, to], known by ``as_of``, by (event_time, revision)."""
        return await self._rows(_RECENT_MOODS, symbol=symbol, interval=interval, **span)

    async def recent_leads(self, symbol: str, interval: int, **span: datetime | None) -> list[Row]:
        """Best lags of mood and return over 60 bars, of the correlations in (after, to], likewise."""
        return await self._rows(_RECENT_LEADS, symbol=symbol, interval=interval, **span)

    async def talked_about(self, limit: int, as_of: datetime | None = None) -> list[str]:
        """Symbols by mentions in the newest day, most first."""
        return [row["symbol"] for row in await self._rows(_TALKED, limit=limit, as_of=as_of)]

    async def quoted(self, limit: int) -> list[str]:
        """Symbols with quotes, in their order."""
        return [row["symbol"] for row in await self._rows(_QUOTED, limit=limit)]

    async def stored(self, symbol: str) -> bool:
        """Whether anything is stored about a symbol."""
        return bool((await self._rows(_STORED, symbol=symbol))[0]["stored"])

    async def instruments(self) -> list[Row]:
        """The instruments that were loaded."""
        return await self._rows(_INSTRUMENTS)

    async def post_sources(self) -> list[Row]:
        """Of each source of posts the newest one's ``event_time, ingest_time, stored_at``."""
        return await self._rows(_POST_SOURCES)

    async def count_posts(self, source: str, since: datetime, to: datetime) -> int:
        """Posts of a source in (since, to]."""
        return int((await self._rows(_POST_COUNT, source=source, since=since, to=to))[0]["posts"])

    async def gaps(self, source: str, since: datetime, to: datetime) -> Row:
        """``gaps`` of a source that ended in (since, to], and ``last_end`` of any before."""
        return (await self._rows(_GAPS, source=source, since=since, to=to))[0]
