"""The demo's live table: what the API says, once a second, in the terminal."""

import json
import time
from typing import Any

import httpx
from pydantic import SecretStr
from rich import box
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from infra.listening import KEY_HEADER
from infra.settings import Settings

from .pipeline import api_url
from .report import figure
from .running import Running

ASK_SECONDS = 2.0
DRAW_SECONDS = 1.0


class Screen:
    """Draws quotes, moods and correlations by symbol until Ctrl-C."""

    def __init__(self, settings: Settings, pipeline: Running) -> None:
        self._settings = settings
        self._pipeline = pipeline
        self._console = Console()

    def show(self) -> None:
        """Draw until a signal asks to stop, or a process gave up."""
        with Live(console=self._console, refresh_per_second=2, transient=False) as live:
            drawn = 0.0
            while self._pipeline.turn() and self._pipeline.supervisor.given_up is None:
                if time.monotonic() - drawn >= DRAW_SECONDS:
                    live.update(self._frame())
                    drawn = time.monotonic()

    def _frame(self) -> Group:
        url = api_url(self._settings.data_dir)
        overview = _ask(f"{url}/api/v1/overview", self._settings.api_key) if url else None
        head = Text(f"moodtape  {self._settings.data_dir}", style="bold")
        if overview is None:
            return Group(head, Text("waiting for the first figures ..."), self._processes())
        return Group(head, draw(overview, self._planted()), self._further(url or ""))

    def _planted(self) -> dict[str, int]:
        """Lag in bars that the simulator planted, by symbol; empty for a recording."""
        try:
            ledger = json.loads((self._settings.data_dir / "simulator-ledger.json").read_text())
        except (OSError, ValueError):
            return {}
        return {row["symbol"]: row["lag"] for row in ledger["symbols"] if row["strength"]}

    def _processes(self) -> Text:
        running = [child.name for child in self._pipeline.supervisor.children if child.running]
        return Text("running: " + ", ".join(running), style="dim")

    def _further(self, url: str) -> Text:
        kafka = self._pipeline.endpoints.kafka
        return Text(
            f"API {url}/openapi.json   schemas {url}/subjects\n"
            f"kcat -b {kafka} -t mentions.v1 -C -s value=avro -r {url}\n"
            "mood: last 5 minutes; r: mood x return now; lag: where it is strongest, in bars\n"
            "of 5 minutes, positive = mood leads, p for that lag; a dash: not known\n"
            "Ctrl-C stops everything and keeps the data",
            style="dim",
        )


def _ask(url: str, key: SecretStr | None) -> Any:
    headers = {} if key is None else {KEY_HEADER: key.get_secret_value()}
    try:
        answer = httpx.get(url, headers=headers, timeout=ASK_SECONDS)
    except httpx.HTTPError:
        return None
    return answer.json() if answer.status_code == httpx.codes.OK else None


def draw(overview: dict[str, Any], planted: dict[str, int]) -> Table:
    """The overview of the API as a table; what is not known is a dash, never a zero."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=0)
    for name, justify in COLUMNS:
        table.add_column(name, justify=justify, no_wrap=True)
    for item in sorted(overview.get("items", []), key=lambda item: item["symbol"]):
        table.add_row(*_row(item, planted))
    return table


COLUMNS: tuple[tuple[str, Any], ...] = (
    ("symbol", "left"),
    ("price", "right"),
    ("day", "right"),
    ("mood", "right"),
    ("posts", "right"),
    ("r", "right"),
    ("lag", "right"),
    ("planted", "right"),
    ("p", "right"),
    ("n eff", "right"),
    ("status", "left"),
)


def _row(item: dict[str, Any], planted: dict[str, int]) -> list[str]:
    quote, mood = item.get("quote") or {}, item.get("sentiment") or {}
    related = item.get("correlation") or {}
    return [
        item["symbol"],
        figure(quote.get("price"), ".2f"),
        figure(quote.get("change_percent"), "+.2f", "%"),
        figure(mood.get("score"), "+.2f"),
        figure(mood.get("mentions"), "d"),
        figure(related.get("r"), "+.2f"),
        figure(related.get("best_lag"), "+d"),
        figure(planted.get(item["symbol"]), "+d"),
        figure(related.get("p_best"), ".3f"),
        figure(related.get("n_effective"), ".0f"),
        str(related.get("status") or "-"),
    ]
