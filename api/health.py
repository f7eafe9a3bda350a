"""Whether the process lives and can answer, and its metrics."""

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from infra.errors import ServiceUnavailable

from .desk import At

router = APIRouter(tags=["health"])


@router.get("/livez")
async def livez() -> dict[str, str]:
    """The process answers."""
    return {"status": "ok"}


@router.get("/readyz")
async def readyz(desk: At) -> JSONResponse:
    """The database answers and has our tables; 503 and what is wrong where not. Redis is not needed."""
    try:
        await desk.store.ping()
    except ServiceUnavailable as error:
        return JSONResponse({"status": "fail", "problems": {"database": str(error)}}, 503)
    return JSONResponse({"status": "ok", "problems": {}, "redis": "connected" if desk.snapshot.connected else "away"})


@router.get("/metrics")
async def metrics() -> Response:
    """Prometheus metrics of this process."""
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)
