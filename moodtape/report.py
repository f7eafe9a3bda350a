"""What a finished demo leaves to read: the last correlations of the symbols that were spoken of most."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import psycopg
from psycopg.rows import namedtuple_row
from rich import box
from rich.table import Table

SYMBOLS = 3
_LAST = """
    WITH spoken AS (
        SELECT symbol FROM mention WHERE replay = 'live' AND NOT deleted
        GROUP BY symbol ORDER BY count(*) DESC, symbol LIMIT %s
    )
    SELECT DISTINCT ON (symbol, interval, "window", pair)
        symbol, interval, "window", pair, event_time,
        n, n_effective, r, ci_low, ci_high, p_value, best_lag, p_best, status
    FROM correlation JOIN spoken USING (symbol)
    WHERE replay = 'live' AND method = 'PEARSON'
    ORDER BY symbol, interval, "window", pair, event_time DESC, revision DESC
"""
_COLUMNS = (
    "symbol",
    "bar",
    "window",
    "until (UTC)",
    "pair",
    "n",
    "n eff",
    "r",
    "95 %",
    "p",
    "best lag",
    "p best",
    "status",
)


class Finding(NamedTuple):
    """One last correlation."""

    symbol: str
    interval: int
    window: int
    pair: str
    event_time: Any
    n: int
    n_effective: float | None
    r: float | None
    ci_low: float | None
    ci_high: float | None
    p_value: float | None
    best_lag: int | None
    p_best: float | None
    status: str


def last_correlations(database: str) -> list[Finding]:
    """The last PEARSON correlation of each interval, window and pair, for the symbols with most mentions."""
    with psycopg.connect(database, row_factory=namedtuple_row) as connection:
        return [Finding(*row) for row in connection.execute(_LAST, (SYMBOLS,))]


def correlation_table(findings: Sequence[Finding]) -> Table:
    """The findings as a table; what is not known is a dash."""
    table = Table(title="mood and buzz against price, as last known", title_justify="left", box=box.SIMPLE_HEAD)
    for name in _COLUMNS:
        table.add_column(name, no_wrap=True)
    for found in findings:
        interval = "-" if found.ci_low is None else f"{found.ci_low:+.2f} .. {found.ci_high:+.2f}"
        table.add_row(
            found.symbol,
            {60: "1 min", 300: "5 min", 3600: "1 h", 86400: "1 day"}[found.interval],
            str(found.window),
            f"{found.event_time:%Y-%m-%d %H:%M}",
            {"MOOD_RETURN": "mood x return", "BUZZ_VOLATILITY": "buzz x |return|"}[found.pair],
            str(found.n),
            figure(found.n_effective, ".0f"),
            figure(found.r, "+.2f"),
            interval,
            figure(found.p_value, ".3f"),
            figure(found.best_lag, "+d"),
            figure(found.p_best, ".3f"),
            found.status,
        )
    return table


def figure(value: float | int | None, form: str, unit: str = "") -> str:
    """A number as text; a dash for what is not known."""
    return "-" if value is None else f"{value:{form}}{unit}"
