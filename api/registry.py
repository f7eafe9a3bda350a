"""The schemas as a schema registry answers, read only: any Confluent deserialiser can be pointed at this address.

Error codes are Confluent's: 40401 unknown subject, 40402 unknown version, 40403 unknown schema, 42201 unusable
schema, 42202 unusable version, 42205 the registry is read-only.
"""

import json
from typing import Any

from fastapi import APIRouter
from fastapi.responses import JSONResponse
from pydantic import BaseModel

from schemas.registry import REGISTRY, SchemaVersion

MEDIA_TYPE = "application/vnd.schemaregistry.v1+json"


class RegistryResponse(JSONResponse):
    """JSON under the registry's own content type."""

    media_type = MEDIA_TYPE


class RegistryError(Exception):
    """An error as a schema registry tells it: ``error_code`` begins with the HTTP status."""

    def __init__(self, error_code: int, message: str) -> None:
        super().__init__(message)
        self.error_code, self.message = error_code, message

    def response(self) -> RegistryResponse:
        """The answer."""
        body = {"error_code": self.error_code, "message": self.message}
        return RegistryResponse(body, int(str(self.error_code)[:3]))


class SchemaBody(BaseModel):
    """A schema that a client looks up or would register."""

    schema_: str = ""
    model_config = {"alias_generator": lambda name: name.rstrip("_"), "populate_by_name": True}


router = APIRouter(tags=["registry"], default_response_class=RegistryResponse)


@router.get("/subjects")
async def subjects() -> list[str]:
    """Every subject."""
    return REGISTRY.subjects


@router.get("/subjects/{subject}/versions")
async def versions(subject: str) -> list[int]:
    """Versions of a subject."""
    return [v.version for v in _versions(subject)]


@router.get("/subjects/{subject}/versions/{version}")
async def version(subject: str, version: str) -> dict[str, Any]:
    """One version of a subject's schema; ``latest`` and ``-1`` are the newest."""
    return _told(_version(subject, version))


@router.get("/subjects/{subject}/versions/{version}/schema")
async def version_schema(subject: str, version: str) -> RegistryResponse:
    """The bare schema of a version."""
    return RegistryResponse(_version(subject, version).schema)


@router.post("/subjects/{subject}")
async def look_up(subject: str, body: SchemaBody) -> dict[str, Any]:
    """The version that a schema is, where it is one of the subject's."""
    return _told(_same(_versions(subject), body.schema_))


@router.post("/subjects/{subject}/versions")
async def register(subject: str, body: SchemaBody) -> dict[str, int]:
    """The id of a schema that is there; nothing can be added."""
    try:
        return {"id": _same(_versions(subject), body.schema_).id}
    except RegistryError as error:
        if error.error_code == 42201:
            raise
        raise RegistryError(42205, f"Subject {subject} is in read-only mode") from None


@router.get("/schemas/types")
async def types() -> list[str]:
    """Kinds of schemas here."""
    return ["AVRO"]


@router.get("/schemas/ids/{schema_id}")
async def by_id(schema_id: str) -> dict[str, Any]:
    """A schema by its id."""
    return {"schema": _by_id(schema_id).text}


@router.get("/schemas/ids/{schema_id}/schema")
async def by_id_bare(schema_id: str) -> RegistryResponse:
    """The bare schema of an id."""
    return RegistryResponse(_by_id(schema_id).schema)


@router.get("/schemas/ids/{schema_id}/subjects")
async def subjects_of_id(schema_id: str) -> list[str]:
    """Subjects that use a schema."""
    return [_by_id(schema_id).subject]


@router.get("/schemas/ids/{schema_id}/versions")
async def versions_of_id(schema_id: str) -> list[dict[str, Any]]:
    """Subjects and versions that use a schema."""
    found = _by_id(schema_id)
    return [{"subject": found.subject, "version": found.version}]


@router.get("/config")
async def config() -> dict[str, str]:
    """The compatibility that changes of schemas must keep."""
    return {"compatibilityLevel": "BACKWARD"}


@router.get("/config/{subject}")
async def subject_config(subject: str) -> dict[str, str]:
    """The same for every subject."""
    _versions(subject)
    return await config()


@router.get("/mode")
async def mode() -> dict[str, str]:
    """Nothing can be written here."""
    return {"mode": "READONLY"}


def _versions(subject: str) -> list[SchemaVersion]:
    found = REGISTRY.versions(subject)
    if not found:
        raise RegistryError(40401, f"Subject '{subject[:200]}' not found.")
    return found


def _version(subject: str, text: str) -> SchemaVersion:
    found = _versions(subject)
    if text in ("latest", "-1"):
        return found[-1]
    if not (text.isascii() and text.isdigit() and len(text) < 12 and 1 <= int(text) < 2**31):
        raise RegistryError(42202, f"The specified version '{text[:40]}' is not a valid version id.")
    match = next((v for v in found if v.version == int(text)), None)
    if match is None:
        raise RegistryError(40402, f"Version {text} not found.")
    return match


def _by_id(text: str) -> SchemaVersion:
    found = REGISTRY.by_id.get(int(text)) if text.isascii() and text.isdigit() and len(text) < 12 else None
    if found is None:
        raise RegistryError(40403, f"Schema {text[:40]} not found")
    return found


def _same(candidates: list[SchemaVersion], text: str) -> SchemaVersion:
    try:
        wanted = json.loads(text)
    except (ValueError, RecursionError):  # the second of brackets in brackets, beyond all reason
        raise RegistryError(42201, "Invalid schema: not JSON") from None
    match = next((v for v in candidates if v.schema == wanted), None)
    if match is None:
        raise RegistryError(40403, "Schema not found")
    return match


def _told(found: SchemaVersion) -> dict[str, Any]:
    return {"subject": found.subject, "version": found.version, "id": found.id, "schema": found.text}
