"""Errors as RFC 9457 problems: one shape for every failure that a caller can see."""

from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from infra.errors import ServiceUnavailable
from infra.log import get_logger

MEDIA_TYPE = "application/problem+json"
_log = get_logger(__name__)


class FieldError(BaseModel):
    """One field of a query or body that cannot be used."""

    field: str = Field(description="Where it is, such as query.interval.")
    message: str


class ProblemShape(BaseModel):
    """An RFC 9457 problem."""

    type: str = Field(description="urn:moodtape:problem:<name>.")
    title: str
    status: int
    detail: str
    errors: list[FieldError] | None = Field(default=None, description="Every field that is wrong (422).")
    nearest: list[str] | None = Field(default=None, description="Symbols that may have been meant (404).")


class Problem(HTTPException):
    """Raised by a route; becomes a problem answer.

    Args:
        status: HTTP status code.
        name: last part of the problem's type, also its title in words.
        detail: one sentence about this case, and how to mend it.
        headers: extra headers of the answer.
        extra: further members of the problem.
    """

    def __init__(
        self, status: int, name: str, detail: str, headers: Mapping[str, str] | None = None, **extra: Any
    ) -> None:
        super().__init__(status, detail, headers)
        self.name, self.extra = name, extra

    def response(self) -> JSONResponse:
        """The answer."""
        return problem_response(self.status_code, self.name, self.detail, self.headers, **self.extra)


def problem_response(
    status: int, name: str, detail: str, headers: Mapping[str, str] | None = None, **extra: Any
) -> JSONResponse:
    """A problem as an answer that no cache keeps."""
    body = {
        "type": f"urn:moodtape:problem:{name}",
        "title": name.replace("-", " ").capitalize(),
        "status": status,
        "detail": detail,
        **extra,
    }
    return JSONResponse(body, status, {"Cache-Control": "no-store", **(headers or {})}, MEDIA_TYPE)


def described(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """OpenAPI's description of the problems that a route can answer."""
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemShape"}}}
    texts = {400: "Altered cursor", 401: "No or wrong API key", 404: "Unknown symbol", 422: "Unusable query or body"}
    return {code: {"description": texts.get(code, "Store away"), "content": content} for code in (*statuses, 503)}


def install(app: FastAPI) -> None:
    """Make every error of an application a problem."""
    app.add_exception_handler(Problem, _on_problem)
    app.add_exception_handler(RequestValidationError, _on_invalid)
    app.add_exception_handler(HTTPException, _on_http)
    app.add_exception_handler(ServiceUnavailable, _on_unavailable)
    app.add_exception_handler(Exception, _on_bug)


async def _on_problem(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, Problem)  # noqa: S101  # registered for this class only
    return error.response()


async def _on_invalid(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)  # noqa: S101  # registered for this class only
    errors = field_errors(error.errors())
    fields = ", ".join(e["field"] for e in errors)
    return problem_response(422, "invalid-request", f"These cannot be used: {fields}.", errors=errors)


def field_errors(errors: Sequence[Any]) -> list[dict[str, str]]:
    """Pydantic's errors as ``{"field", "message"}``, without the caller's input."""
    return [
        {"field": ".".join(str(part) for part in e["loc"]), "message": e["msg"].removeprefix("Value error, ")}
        for e in errors
    ]


async def _on_http(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)  # noqa: S101  # registered for this class only
    names = {404: "no-such-route", 405: "method-not-allowed"}
    detail = f"{request.method} {request.url.path[:200]}: {error.detail}"
    return problem_response(error.status_code, names.get(error.status_code, "http-error"), detail, error.headers)


async def _on_unavailable(request: Request, error: Exception) -> JSONResponse:
    return problem_response(503, "store-unavailable", str(error), {"Retry-After": "2"})


async def _on_bug(request: Request, error: Exception) -> JSONResponse:
    _log.error("request failed", path=request.url.path[:200], error=type(error).__name__)
    return problem_response(500, "internal-error", "This is our mistake; it has been logged.")


def schemas() -> dict[str, Any]:
    """OpenAPI's schemas of a problem."""
    document = ProblemShape.model_json_schema(ref_template="#/components/schemas/{model}")
    return {**document.pop("$defs"), "ProblemShape": document}
