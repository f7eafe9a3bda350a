"""Starts the proxy and tells it what to do."""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from infra.services.server import free_port


class Wires:
    """The proxy's process. ``plan`` has for each wire the port to listen on and the server's port."""

    def __init__(self, plan: Mapping[str, tuple[int, int]]) -> None:
        command = [sys.executable, "-m", "tests.helpers.proxy", json.dumps(plan)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._answer() == {"ready": True}

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer

    def set(self, wire: str, kind: str, **rule: Any) -> None:
        """Put a rule in force."""
        self._say(wire, {"kind": kind, **rule})

    def lift(self, wire: str) -> dict[str, int]:
        """End the rule; ``bitten`` is how many pieces or connections it met, ``bytes`` how much passed under it."""
        return self._say(wire, None)

    def _say(self, wire: str, rule: dict[str, Any] | None) -> dict[str, int]:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"wire": wire, "rule": rule}) + "\n")
        self._process.stdin.flush()
        return self._answer()

    @contextmanager
    def rule(self, wire: str, kind: str, **rule: Any) -> Iterator[None]:
        """A rule that is in force while the block runs, and must meet something meanwhile."""
        self.set(wire, kind, **rule)
        try:
            yield
        finally:
            met = self.lift(wire)
        assert met["bitten"], f"{kind} of {wire} met nothing"

    def close(self) -> None:
        """End the proxy."""
        self._process.kill()
        self._process.wait()


@contextmanager
def wire_before(url: str) -> Iterator[tuple[Wires, str]]:
    """A wire named ``server`` before the server of a URL, and the URL that goes through it."""
    server, port = urlsplit(url), free_port(set())
    assert server.hostname in ("127.0.0.1", "localhost")
    assert server.port is not None
    wires = Wires({"server": (port, server.port)})
    try:
        yield wires, at_port(url, port)
    finally:
        wires.close()


def at_port(url: str, port: int) -> str:
    """The URL with another port of this machine."""
    parts = urlsplit(url)
    user, at, _ = parts.netloc.rpartition("@")
    return parts._replace(netloc=f"{user}{at}127.0.0.1:{port}").geturl()
