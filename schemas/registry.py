"""The schemas by subject, version and id: a read-only schema registry that ships with the code.

``registry.json`` gives every schema that ever was its id; ids never change and are never used again.
"""

import json
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files
from typing import Any


@dataclass(frozen=True, slots=True)
class SchemaVersion:
    """One version of a subject's schema."""

    subject: str
    version: int
    id: int
    schema: dict[str, Any]

    @property
    def text(self) -> str:
        """The schema as compact JSON, as a registry's answers carry it."""
        return json.dumps(self.schema, separators=(",", ":"), ensure_ascii=False)


class Registry:
    """Schemas to look up; built from the shipped files."""

    def __init__(self, versions: list[SchemaVersion]) -> None:
        self._all = versions

    @classmethod
    def shipped(cls) -> "Registry":
        """The registry that ships with this code."""
        folder = files("schemas")
        table = json.loads((folder / "registry.json").read_text("utf-8"))
        return cls(
            [
                SchemaVersion(
                    subject, entry["version"], entry["id"], json.loads((folder / entry["file"]).read_text("utf-8"))
                )
                for subject, entries in table.items()
                for entry in entries
            ]
        )

    @cached_property
    def subjects(self) -> list[str]:
        """Every subject, sorted."""
        return sorted({v.subject for v in self._all})

    @cached_property
    def by_id(self) -> dict[int, SchemaVersion]:
        """Every schema by its id."""
        return {v.id: v for v in self._all}

    def versions(self, subject: str) -> list[SchemaVersion]:
        """Versions of a subject, oldest first; empty for an unknown subject."""
        return sorted((v for v in self._all if v.subject == subject), key=lambda v: v.version)


REGISTRY = Registry.shipped()
