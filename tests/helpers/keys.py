"""The few commands of Redis that filling it needs, in memory; ``check_keys`` holds it to the real server."""

from typing import Any

import redis


class Keys:
    """Keys of texts. ``away``: it does not answer."""

    def __init__(self) -> None:
        self._held: dict[str, str] = {}
        self.away = False

    def ping(self) -> bool:
        self._answer()
        return True

    def get(self, key: str) -> str | None:
        self._answer()
        return self._held.get(key)

    def mget(self, *keys: str) -> list[str | None]:
        return [self.get(key) for key in keys]

    def set(self, key: str, value: Any, xx: bool = False) -> bool | None:
        self._answer()
        if xx and key not in self._held:
            return None
        self._held[key] = str(value)
        return True

    def flushall(self) -> bool:
        self._answer()
        self._held.clear()
        return True

    def register_script(self, script: str) -> None:
        """Scripts are not run here."""

    def _answer(self) -> None:
        if self.away:
            raise redis.ConnectionError("away")


def check_keys(keys: Any) -> None:
    """What the sink relies on: values are texts, ``xx`` sets only what is there, and emptying removes everything."""
    assert keys.ping()
    keys.flushall()
    assert keys.get("k") is None
    assert not keys.set("k", 1, xx=True)
    assert keys.get("k") is None
    assert keys.set("k", 2)
    assert keys.set("k", 3, xx=True)
    assert keys.get("k") == "3"
    assert keys.mget("k", "none") == ["3", None]
    keys.flushall()
    assert keys.get("k") is None
