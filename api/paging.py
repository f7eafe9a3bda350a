"""Pages: limits of a list, and cursors that are opaque and bound to the query that they continue."""

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Any

from .problems import Problem

DEFAULT_LIMIT = 500
MAX_LIMIT = 5000
_DIGEST_BYTES = 16


class Cursors:
    """Makes and reads cursors with one secret.

    A cursor is base64url of a keyed digest and the position; the digest also covers the query (all that selects
    the rows, not ``limit`` and ``next``), so a cursor of another query or an altered one is refused.

    A cursor has no limit but that of addresses (8 KiB): the longest of ours holds the names of a post. PostgreSQL takes
    up to 2,704 bytes of them into its index, and JSON at most doubles what can be printed, which makes 7.3 kB.
    """

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def make(self, query: Mapping[str, Any], position: list[Any]) -> str:
        """The cursor that continues ``query`` after ``position`` (JSON values)."""
        body = json.dumps(position, separators=(",", ":"), ensure_ascii=False).encode()
        return base64.urlsafe_b64encode(self._digest(query, body) + body).decode().rstrip("=")

    def read(self, query: Mapping[str, Any], cursor: str) -> list[Any]:
        """The position in a cursor of this query.

        Raises:
            Problem: 400, the cursor was altered or belongs to another query.
        """
        try:
            # b64decode alone skips foreign characters and unused bits, so that several texts would be one cursor
            raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            raise _refused() from None
        digest, body = raw[:_DIGEST_BYTES], raw[_DIGEST_BYTES:]
        canonical = base64.urlsafe_b64encode(raw).decode().rstrip("=") == cursor
        if not canonical or not hmac.compare_digest(digest, self._digest(query, body)):
            raise _refused()
        position: list[Any] = json.loads(body)
        return position

    def _digest(self, query: Mapping[str, Any], body: bytes) -> bytes:
        bound = json.dumps(query, sort_keys=True, separators=(",", ":"), default=str).encode()
        message = len(bound).to_bytes(4, "big") + bound + body
        return hmac.digest(self._secret, message, hashlib.sha256)[:_DIGEST_BYTES]


def _refused() -> Problem:
    return Problem(400, "bad-cursor", "next was altered or belongs to another query; start again without it.")
