"""Starts the proxy and tells it what to do."""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any


class Wires:
    """The proxy's process. ``plan`` has for each wire the port to listen on and the server's port."""

    def __init__(self, plan: Mapping[str, tuple[int, int]]) -> None:
        command = [sys.executable, "-m", "tests.faults.proxy", json.dumps(plan)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._answer() == {"ready": True}

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer

    def set(self, wire: str, kind: str | None, **rule: Any) -> int:
        """Put a rule in force (None lifts it); returns how many pieces or connections the one before met."""
        assert self._process.stdin is not None
        said = {"wire": wire, "rule": None if kind is None else {"kind": kind, **rule}}
        self._process.stdin.write(json.dumps(said) + "\n")
        self._process.stdin.flush()
        bitten: int = self._answer()["bitten"]
        return bitten

    @contextmanager
    def rule(self, wire: str, kind: str, **rule: Any) -> Iterator[None]:
        """A rule that is in force while the block runs, and must meet something meanwhile."""
        self.set(wire, kind, **rule)
        try:
            yield
        finally:
            bitten = self.set(wire, None)
        assert bitten, f"{kind} of {wire} met nothing"

    def close(self) -> None:
        """End the proxy."""
        self._process.kill()
        self._process.wait()
