"""The application: which routers make which service, and what is made when it starts."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import JSONResponse

from infra.clock import Now, now_micros
from infra.endpoints import Endpoints
from infra.grid import Grid
from infra.settings import Settings
from schemas.records import Instrument

from . import correlation, health, overview, problems, registry, sentiment, stocks
from .ages import Ages
from .desk import Desk
from .directory import Directory
from .forecasts import Forecasts
from .gate import Gate
from .paging import Cursors
from .secret import cursor_secret
from .snapshot import Snapshot
from .store import Store

SERVICES: dict[str, tuple[APIRouter, ...]] = {
    "stocks": (stocks.router,),
    "sentiment": (sentiment.router,),
    "correlation": (correlation.router,),
    "overview": (overview.router,),
    "registry": (registry.router,),
}
VERSION = "1"


def create_app(settings: Settings, endpoints: Endpoints, service: str | None = None, now: Now = now_micros) -> FastAPI:
    """One service of the API, or all of them. Nothing is opened before the application starts.

    Args:
        settings: the settings.
        endpoints: the database and the cache to read.
        service: a name of :data:`SERVICES`; None = all.
        now: microseconds UTC of the wall clock.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        desk = make_desk(settings, endpoints, now)
        app.state.desk = desk
        await desk.store.open()
        following = asyncio.create_task(desk.snapshot.follow(), name="snapshot")
        try:
            yield
        finally:
            following.cancel()
            await asyncio.wait([following])
            await desk.store.close()

    app = FastAPI(
        title="moodtape",
        version=VERSION,
        description="Prices, moods of crowds, and how they moved together.",
        lifespan=lifespan,
        docs_url=None,  # their pages load scripts from elsewhere
        redoc_url=None,
    )
    app.state.settings = settings
    for router in [health.router, *_routers(service)]:
        app.include_router(router)
    app.add_middleware(Gate)
    problems.install(app)
    app.add_exception_handler(registry.RegistryError, _on_registry_error)
    _describe(app)
    return app


def make_desk(settings: Settings, endpoints: Endpoints, now: Now) -> Desk:
    """The parts that the routes work with; reads or writes the cursors' secret, connects nowhere yet."""
    store = Store(endpoints.database)
    return Desk(
        settings=settings,
        store=store,
        snapshot=Snapshot(endpoints.redis, now),
        ages=Ages(store, now),
        directory=Directory(store, now, _instruments),
        cursors=Cursors(cursor_secret(settings)),
        grid=Grid(settings.day_zone),
        forecasts=Forecasts(),
        now=now,
    )


def _instruments(loaded: Sequence[Instrument]) -> list[Instrument]:
    # Its tables take a second to import, and not every caller asks.
    from infra.instruments import InstrumentTable
    from infra.shipped import shipped_instruments

    table = InstrumentTable([*shipped_instruments(), *loaded]).instruments()
    # Rows of former years bear the symbol of their time, under which tables often have no name.
    named = {former: replace(i, symbol=former) for i in table for former in i.former_symbols}
    # A symbol that was given to somebody else since is still that of former years, unless people talk of the new one.
    return [*named.values(), *(i for i in table if i.symbol not in named or (i.name and i.aliases))]


def _routers(service: str | None) -> list[APIRouter]:
    chosen = SERVICES if service is None else {service: SERVICES[service]}
    return [router for routers in chosen.values() for router in routers]


async def _on_registry_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, registry.RegistryError)  # noqa: S101  # registered for this class only
    return error.response()


def _describe(app: FastAPI) -> None:
    """Have ``/openapi.json`` describe the problems that we answer instead of FastAPI's own errors."""
    made = app.openapi

    def described() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = made()
            schemas = document.setdefault("components", {}).setdefault("schemas", {})
            schemas.update(problems.schemas())
            for name in ("HTTPValidationError", "ValidationError"):
                schemas.pop(name, None)
            _replace_validation_errors(document)
        return app.openapi_schema or {}

    app.openapi = described  # type: ignore[method-assign]  # FastAPI's documented way


def _replace_validation_errors(document: dict[str, Any]) -> None:
    for operations in document["paths"].values():
        for operation in operations.values():
            described = operation.get("responses", {}).get("422")
            if described and "HTTPValidationError" in str(described):
                operation["responses"]["422"] = problems.described(422)[422]
