"""Imported by every process of a world at its start: does wrong from within what the world's file says.

``raise_every``: the folds of quotes and posts raise an error that nobody expects at one record in so many, always the
same ones. ``older``: schemas that the registry knows besides, as ``[subject, id, schema]``.
"""

import importlib.abc
import importlib.machinery
import json
import os
import sys
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

Patch = Callable[[ModuleType], None]


class Finder(importlib.abc.MetaPathFinder):
    """Lets a module be found as ever, and patches it when it has been executed."""

    def __init__(self, patches: dict[str, Patch]) -> None:
        self._patches = patches

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """The spec that others find, with a loader that calls the patch."""
        patch = self._patches.pop(name, None)
        if patch is None:
            return None
        spec = importlib.util.find_spec(name)
        assert spec is not None
        assert spec.loader is not None
        execute = spec.loader.exec_module

        def exec_module(module: ModuleType) -> None:
            execute(module)
            patch(module)

        spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec


def raising(fold: str, every: int) -> Patch:
    """A fold that fails at one record in so many."""

    def patch(module: ModuleType) -> None:
        kind = getattr(module, fold)
        right = kind.fact

        def fact(self: Any, topic: str, record: Any, *more: Any) -> Any:
            name = getattr(record, "post_id", None) or f"{record.symbol} {record.event_time}"
            if zlib.crc32(name.encode()) % every == 0:
                raise RuntimeError("a test asked for it")
            return right(self, topic, record, *more)

        kind.fact = fact

    return patch


def knowing(older: Sequence[tuple[str, int, dict[str, Any]]]) -> Patch:
    """A registry that knows more schemas."""

    def patch(module: ModuleType) -> None:
        versions = [module.SchemaVersion(subject, 0, number, schema) for subject, number, schema in older]
        module.REGISTRY = module.Registry([*versions, *module.REGISTRY._all])

    return patch


def main() -> None:
    """Arrange for what the file asks."""
    try:
        asked = json.loads(Path(os.environ["MOODTAPE_FAULTS_INSIDE"]).read_text())
    except (KeyError, OSError, ValueError):
        return
    patches: dict[str, Patch] = {}
    if every := asked.get("raise_every"):
        patches |= {"streams.quotes": raising("QuotesFold", every), "streams.posts": raising("PostsFold", every)}
    if older := asked.get("older"):
        patches["schemas.registry"] = knowing(older)
    if patches:
        sys.meta_path.insert(0, Finder(patches))


main()
