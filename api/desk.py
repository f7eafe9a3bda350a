"""What every route works with, handed to it by FastAPI; and the route class that answers 304 where it can."""

import hashlib
import hmac
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, replace
from typing import Annotated, Any

from fastapi import Depends, Request, Response
from fastapi.routing import APIRoute
from fastapi.security import APIKeyHeader

from infra.clock import Now, from_datetime
from infra.grid import Grid
from infra.listening import KEY_HEADER
from infra.settings import Settings

from .ages import Ages
from .directory import Directory
from .forecasts import Forecasts
from .paging import Cursors
from .problems import Problem
from .queries import Span
from .snapshot import Snapshot
from .store import Row, Store

_key_header = APIKeyHeader(name=KEY_HEADER, auto_error=False, description="Needed where an API key is set.")


@dataclass(frozen=True, slots=True)
class Desk:
    """The parts of the application, made when it starts."""

    settings: Settings
    store: Store
    snapshot: Snapshot
    ages: Ages
    directory: Directory
    cursors: Cursors
    grid: Grid
    forecasts: Forecasts
    now: Now

    async def resolve(self, text: str) -> str:
        """The known symbol that a caller wrote in any case.

        Raises:
            Problem: 404 with the nearest symbols.
        """
        return await self.directory.resolve(text, self.store)


def _desk(request: Request) -> Desk:
    desk: Desk = request.app.state.desk
    return desk


async def _serving(request: Request) -> Desk:
    """The desk over the version that is served at this moment: an answer never mixes two."""
    desk = _desk(request)
    store = await desk.store.serving()
    return replace(desk, store=store, ages=desk.ages.over(store))


At = Annotated[Desk, Depends(_desk)]
Serving = Annotated[Desk, Depends(_serving)]


def require_key(request: Request, given: Annotated[str | None, Depends(_key_header)]) -> None:
    """Let a caller in who has the key, or anyone where none is set.

    Raises:
        Problem: 401.
    """
    settings: Settings = request.app.state.settings
    if settings.api_key is None:
        return
    wanted = settings.api_key.get_secret_value().encode()
    if not hmac.compare_digest((given or "").encode(), wanted):
        raise Problem(
            401, "unauthorized", f"Send the API key in the header {KEY_HEADER}.", {"WWW-Authenticate": "ApiKey"}
        )


def cut_page(
    desk: Desk, route: str, symbol: str, query: Span, rows: list[Row], also: tuple[str, ...] = ()
) -> tuple[list[Row], str | None]:
    """Cut the one row too many off; where there was one, the cursor of the next page.

    A position is the last row's event_time and the columns ``also``.
    """
    if len(rows) <= query.limit:
        return rows, None
    last = rows[query.limit - 1]
    position = [from_datetime(last["event_time"]), *(last[name] for name in also)]
    return rows[: query.limit], desk.cursors.make(query.bound(route, symbol), position)


class CachedRoute(APIRoute):
    """A route whose answers carry an ETag; a caller that has the same answer gets 304 without a body."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def cached(request: Request) -> Response:
            response = await handle(request)
            return _tagged(request, response) if request.method == "GET" and response.status_code == 200 else response

        return cached


def _tagged(request: Request, response: Response) -> Response:
    tag = f'"{hashlib.sha256(bytes(response.body)).hexdigest()[:32]}"'
    # no-cache: keep it, but ask again each time; what is newest changes every second
    headers = {"ETag": tag, "Cache-Control": "private, no-cache"}
    known = [part.strip().removeprefix("W/") for part in request.headers.get("if-none-match", "").split(",")]
    if tag in known or "*" in known:
        return Response(status_code=304, headers=headers)
    response.headers.update(headers)
    return response
