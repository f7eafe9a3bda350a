"""A TCP relay before a server, whose wire can be cut, slowed, held or broken in the middle of an answer.

Every call takes effect before it returns. One thread serves all connections of a relay.
"""

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import Coroutine
from typing import Any, Literal, TypeVar
from urllib.parse import urlsplit

Direction = Literal["to server", "to client"]
BOTH: tuple[Direction, ...] = ("to server", "to client")
PIECE = 65_536
CALL_SECONDS = 10.0
# Closed like this, a socket sends a reset and not an orderly end.
RESET = struct.pack("ii", 1, 0)
T = TypeVar("T")


class Relay:
    """Forwards the connections of one local port to a server. Use as a context manager.

    Args:
        host: of the server.
        port: of the server.
        listen: the relay's own port, 0 = free.
    """

    def __init__(self, host: str, port: int, listen: int = 0) -> None:
        self.port = listen
        self._target = host, port
        self._server: asyncio.Server | None = None
        self._links: set[_Link] = set()
        self._delay: dict[Direction, float] = dict.fromkeys(BOTH, 0.0)
        self._flows: dict[Direction, asyncio.Event] = {}
        self._lost: bytes | None = None
        self._half = False
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="relay", daemon=True)
        self._thread.start()
        self._call(self._start())

    @classmethod
    def before(cls, url: str) -> "Relay":
        """A relay before the server of a URL."""
        parts = urlsplit(url)
        assert parts.hostname is not None
        assert parts.port is not None
        return cls(parts.hostname, parts.port)

    def url_like(self, url: str) -> str:
        """The URL with the relay's address in the place of the server's."""
        parts = urlsplit(url)
        user, at, _ = parts.netloc.rpartition("@")
        return parts._replace(netloc=f"{user}{at}127.0.0.1:{self.port}").geturl()

    def __enter__(self) -> "Relay":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End everything, for good."""
        if self._loop.is_closed():
            return
        self.cut()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(CALL_SECONDS)
        self._loop.close()

    def cut(self) -> None:
        """Reset the connections that there are and refuse new ones."""
        self._call(self._cut())

    def reset(self) -> None:
        """Reset the connections that there are; new ones go through."""
        self._call(self._reset())

    def mend(self) -> None:
        """Accept connections again, at the same port."""
        self._call(self._listen())

    def hold(self, *directions: Direction) -> None:
        """Let nothing through in these directions (none named: both), while connections stay: a black hole.

        What is sent meanwhile arrives after :meth:`release`, as when a network heals.
        """
        self._call(self._set_flow(directions or BOTH, False))

    def release(self) -> None:
        """Let everything through again."""
        self._call(self._set_flow(BOTH, True))

    def slow(self, seconds: float, *directions: Direction) -> None:
        """Hold every piece back for so long before the next one is read; 0 = as fast as it comes."""
        for direction in directions or BOTH:
            self._delay[direction] = seconds

    def lose_answer(self, request: bytes) -> None:
        """The next request with these bytes in it reaches the server; where its answer should come, a reset does."""
        self._lost = request

    def break_answer(self) -> None:
        """Of the next piece of an answer let half through, then reset that connection."""
        self._half = True

    @property
    def waits(self) -> bool:
        """Whether what :meth:`lose_answer` or :meth:`break_answer` asked for has yet to happen."""
        return self._half or self._lost is not None

    def _call(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(CALL_SECONDS)

    async def _start(self) -> None:
        self._flows = {direction: asyncio.Event() for direction in BOTH}
        await self._set_flow(BOTH, True)
        await self._listen()

    async def _listen(self) -> None:
        if self._server is None:
            self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
            self.port = self._server.sockets[0].getsockname()[1]

    async def _cut(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        await self._reset()

    async def _reset(self) -> None:
        links = list(self._links)
        for link in links:
            link.reset()
        await asyncio.gather(*(link.ended.wait() for link in links))

    async def _set_flow(self, directions: tuple[Direction, ...], flows: bool) -> None:
        for direction in directions:
            event = self._flows[direction]
            (event.set if flows else event.clear)()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        link = _Link(writer)
        self._links.add(link)
        try:
            link.work = asyncio.ensure_future(self._forward(reader, link))
            await link.work
        except (OSError, asyncio.CancelledError):
            link.reset()
        finally:
            self._links.discard(link)
            link.close()
            link.ended.set()

    async def _forward(self, reader: asyncio.StreamReader, link: "_Link") -> None:
        await self._flows["to server"].wait()
        answers, link.far = await asyncio.open_connection(*self._target)
        ways = (
            asyncio.ensure_future(self._pass_on("to server", reader, link.far, link)),
            asyncio.ensure_future(self._pass_on("to client", answers, link.near, link)),
        )
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
        for way in ways:
            if not way.cancelled():
                way.result()

    async def _pass_on(
        self, direction: Direction, source: asyncio.StreamReader, sink: asyncio.StreamWriter, link: "_Link"
    ) -> None:
        while data := await source.read(PIECE):
            if self._delay[direction]:
                await asyncio.sleep(self._delay[direction])
            await self._flows[direction].wait()
            if direction == "to server":
                self._watch(data, link)
            elif link.forsaken:
                raise ConnectionResetError
            elif self._half:
                self._half = False
                sink.write(data[: len(data) // 2])
                await sink.drain()
                raise ConnectionResetError
            sink.write(data)
            await sink.drain()

    def _watch(self, data: bytes, link: "_Link") -> None:
        if self._lost is not None and self._lost in data:
            self._lost, link.forsaken = None, True


class _Link:
    """One connection: its two sockets, and whether its next answer is to be lost."""

    def __init__(self, near: asyncio.StreamWriter) -> None:
        self.near = near
        self.far: asyncio.StreamWriter | None = None
        self.work: asyncio.Future[None] | None = None
        self.forsaken = False
        self.ended = asyncio.Event()

    def reset(self) -> None:
        """Have both ends see a reset."""
        for writer in (self.near, self.far):
            if writer is not None and not writer.is_closing():
                with contextlib.suppress(OSError):
                    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                writer.transport.abort()
        if self.work is not None:
            self.work.cancel()

    def close(self) -> None:
        """Close both ends in order."""
        for writer in (self.near, self.far):
            if writer is not None:
                writer.close()
