"""A TCP proxy between the pipeline and its servers, in a process of its own, that does what networks do.

One *wire* per server. Commands come as JSON lines on standard input, each answered by a line; see :mod:`.wires`.

============ ============================================================================================
rule         what happens to bytes that go ``toward`` the server, the client or both
============ ============================================================================================
``hole``     they are kept back until the rule is lifted, and so is every new connection: lost packets, no reset
``cut``      the connection is reset, new ones too
``delay``    each piece waits ``seconds``
``throttle`` they pass at ``rate`` bytes a second
``half``     half of the next piece passes, then the connection is reset
``after``    a piece that holds ``text`` passes, the answer does not: the connection is reset
``count``    nothing; how many bytes pass is counted, as under every rule
============ ============================================================================================

``pids`` limits a rule to the connections of those processes, ``times`` to so many connections.
"""

import asyncio
import json
import os
import socket
import struct
import sys
from dataclasses import dataclass, field
from typing import Any, Literal

import psutil

Side = Literal["server", "client"]
PIECE = 65_536
ASK_TIMES = 20
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


@dataclass(slots=True, eq=False)
class Rule:
    """What is done to a wire."""

    kind: str
    toward: str = "both"
    pids: list[int] = field(default_factory=list)
    seconds: float = 0.0
    rate: float = 0.0
    text: str = ""
    times: int | None = None
    lifted: asyncio.Event = field(default_factory=asyncio.Event)
    bitten: int = 0
    bytes: int = 0

    def meets(self, toward: Side) -> bool:
        """Whether it is about this direction, and not used up."""
        return self.toward in ("both", toward) and (self.times is None or self.bitten < self.times)


class Link:
    """One connection through a wire."""

    def __init__(self, wire: "Wire", reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.port: int = writer.get_extra_info("peername")[1]
        self._wire = wire
        self._near = (reader, writer)
        self._writers = [writer]
        self._swallow = False

    async def run(self) -> None:
        """Relay until one side closes or a rule resets the connection."""
        try:
            rule = self._wire.rule_for(self)
            if rule is not None and rule.kind == "cut":
                self._bite(rule)
                return
            if rule is not None and rule.kind == "hole":
                self._bite(rule)
                await rule.lifted.wait()
            far = await asyncio.open_connection("127.0.0.1", self._wire.target)
            self._writers.append(far[1])
            there = asyncio.ensure_future(self._relay(self._near[0], far[1], "server"))
            back = asyncio.ensure_future(self._relay(far[0], self._near[1], "client"))
            await asyncio.wait({there, back}, return_when=asyncio.FIRST_COMPLETED)
            there.cancel()
            back.cancel()
        except OSError:
            pass
        finally:
            self.reset()

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, toward: Side) -> None:
        try:
            while data := await reader.read(PIECE):
                if not await self._treat(data, writer, toward):
                    return
                await writer.drain()
        except OSError:
            return

    async def _treat(self, data: bytes, writer: asyncio.StreamWriter, toward: Side) -> bool:
        """Pass a piece on as the rule says; False when the connection is to be reset."""
        if self._swallow and toward == "client":
            return False
        rule = self._wire.rule_for(self)
        if rule is None or not rule.meets(toward):
            writer.write(data)
            return True
        return await self._apply(rule, data, writer, toward)

    async def _apply(self, rule: Rule, data: bytes, writer: asyncio.StreamWriter, toward: Side) -> bool:
        if rule.kind == "after":
            if toward == "server" and rule.text.encode() in data:
                self._bite(rule)
                self._swallow = True
            writer.write(data)
            return True
        self._bite(rule)
        rule.bytes += len(data)
        if rule.kind == "cut":
            return False
        if rule.kind == "half":
            writer.write(data[: len(data) // 2])
            await writer.drain()
            return False
        if rule.kind == "hole":
            await rule.lifted.wait()
        elif rule.kind == "delay":
            await asyncio.sleep(rule.seconds)
        elif rule.kind == "throttle":
            await asyncio.sleep(len(data) / rule.rate)
        writer.write(data)
        return True

    @staticmethod
    def _bite(rule: Rule) -> None:
        rule.bitten += 1

    def reset(self) -> None:
        """End both sides at once, with RST."""
        for writer in self._writers:
            sock = writer.get_extra_info("socket")
            if sock is not None and sock.fileno() >= 0:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
            writer.transport.abort()
        self._wire.links.discard(self)


class Wire:
    """A listening port, the server behind it, and the rule in force."""

    def __init__(self, target: int) -> None:
        self.target = target
        self.links: set[Link] = set()
        self._rule: Rule | None = None
        self._ports: set[int] = set()

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """A client came."""
        link = Link(self, reader, writer)
        self.links.add(link)
        if self._rule is not None:
            self._find_ports()
        await link.run()

    def rule_for(self, link: Link) -> Rule | None:
        """The rule, if it is about this connection."""
        rule = self._rule
        return rule if rule is not None and (not rule.pids or link.port in self._ports) else None

    def set(self, rule: Rule | None) -> dict[str, int]:
        """Put a rule in force, or lift the one there is; returns how often the old one bit, and what passed."""
        old, self._rule = self._rule, rule
        self._find_ports()
        if old is not None:
            old.lifted.set()
        if rule is not None and rule.kind == "cut":
            for link in [link for link in self.links if self.rule_for(link)]:
                rule.bitten += 1
                link.reset()
        return {} if old is None else {"bitten": old.bitten, "bytes": old.bytes}

    def _find_ports(self) -> None:
        self._ports = {port for pid in (self._rule.pids if self._rule else ()) for port in _ports_of(pid)}


def _ports_of(pid: int) -> list[int]:
    """Ports from which a process is connected; asked again where the answer is none, as the kernel's list flickers."""
    for _ in range(ASK_TIMES):
        try:
            ports = [connection.laddr.port for connection in psutil.Process(pid).net_connections("tcp")]
        except psutil.Error:
            return []
        if ports:
            return ports
    return []


async def serve(plan: dict[str, tuple[int, int]]) -> None:
    """Listen on the first port of each wire for the server on the second, until standard input ends."""
    wires = {name: Wire(target) for name, (_, target) in plan.items()}
    for name, (port, _) in plan.items():
        await asyncio.start_server(wires[name].accept, "127.0.0.1", port)
    commands = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(commands), sys.stdin)
    print(json.dumps({"ready": True}), flush=True)
    async for line in commands:
        said: dict[str, Any] = json.loads(line)
        rule = None if said["rule"] is None else Rule(**said["rule"])
        print(json.dumps(wires[said["wire"]].set(rule)), flush=True)
    # What is still open is open by intention, and asyncio would complain of each.
    os._exit(0)


if __name__ == "__main__":
    asyncio.run(serve(json.loads(sys.argv[1])))
