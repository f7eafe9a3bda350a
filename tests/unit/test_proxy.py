"""The proxy that tests put before servers does to a connection what its rule says, and nothing else."""

import os
import socket
import threading
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from tests.helpers.wires import Wires, wire_before


@pytest.fixture
def echo() -> Iterator[int]:
    """Port of a server that answers with what it was sent."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve(near: socket.socket) -> None:
        with near:
            try:
                while data := near.recv(65_536):
                    near.sendall(data)
            except OSError:
                return

    def accept() -> None:
        while True:
            try:
                near, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=serve, args=(near,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    yield listener.getsockname()[1]
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()


@pytest.fixture
def wired(echo: int) -> Iterator[tuple[Wires, int]]:
    """What commands a wire before the server, and the wire's port."""
    with wire_before(f"tcp://127.0.0.1:{echo}") as (wires, url):
        yield wires, urlsplit(url).port or 0


def connect(port: int) -> socket.socket:
    """A client of the wire."""
    return socket.create_connection(("127.0.0.1", port), timeout=10)


def ask(client: socket.socket, text: bytes) -> bytes:
    """What comes back for a text."""
    client.sendall(text)
    answer = b""
    while len(answer) < len(text):
        piece = client.recv(100)
        if not piece:
            break
        answer += piece
    return answer


def test_it_passes_everything_on(wired: tuple[Wires, int]) -> None:
    """What goes in comes out, on every connection, also slowed; what passes under a rule is counted."""
    wires, port = wired
    with connect(port) as one, connect(port) as two:
        assert ask(one, b"a") == b"a"
        wires.set("server", "delay", seconds=0.01)
        assert ask(two, b"b" * 70) == b"b" * 70
        assert wires.lift("server")["bytes"] == 140
        wires.set("server", "throttle", rate=10_000, toward="server")
        assert ask(two, b"c" * 70) == b"c" * 70
        assert wires.lift("server")["bytes"] == 70


def test_a_cut_resets_until_it_is_lifted(wired: tuple[Wires, int]) -> None:
    """Connections are reset, new ones too; then the same port serves again."""
    wires, port = wired
    with connect(port) as client:
        assert ask(client, b"a") == b"a"
        with wires.rule("server", "cut"):
            with pytest.raises(ConnectionResetError):
                ask(client, b"b")
            with pytest.raises(ConnectionResetError), connect(port) as new:
                ask(new, b"c")
    with connect(port) as client:
        assert ask(client, b"d") == b"d"


def test_a_rule_is_for_its_processes_alone(wired: tuple[Wires, int]) -> None:
    """Connections of others go through."""
    wires, port = wired
    with connect(port) as client:
        wires.set("server", "cut", pids=[os.getppid()])
        assert ask(client, b"a") == b"a"
        wires.lift("server")
        with wires.rule("server", "cut", pids=[os.getpid()]), pytest.raises(ConnectionResetError):
            ask(client, b"b")


@pytest.mark.parametrize("toward", ["both", "server", "client"])
def test_a_black_hole_delivers_when_it_heals(wired: tuple[Wires, int], toward: str) -> None:
    """In one direction or both nothing comes back and nobody is told; lifted, all of it does."""
    wires, port = wired
    with connect(port) as client:
        assert ask(client, b"a") == b"a"
        with wires.rule("server", "hole", toward=toward):
            client.settimeout(0.2)
            with pytest.raises(TimeoutError):
                ask(client, b"b")
            client.settimeout(10)
        assert client.recv(10) == b"b"


def test_one_answer_is_lost_after_the_request_was_served(wired: tuple[Wires, int]) -> None:
    """The named request reaches the server and its answer does not come back; others are untouched."""
    wires, port = wired
    with connect(port) as other, connect(port) as client, wires.rule("server", "after", text="COMMIT", times=1):
        assert ask(client, b"BEGIN") == b"BEGIN"
        with pytest.raises(ConnectionResetError):
            ask(client, b"COMMIT")
        assert ask(other, b"COMMIT") == b"COMMIT"


def test_half_an_answer_is_no_answer(wired: tuple[Wires, int]) -> None:
    """Half of the answer arrives at most, then a reset."""
    wires, port = wired
    with connect(port) as client, wires.rule("server", "half", times=1, toward="client"):
        client.sendall(b"abcd")
        assert client.recv(10) == b"ab"
        with pytest.raises(ConnectionResetError):
            client.recv(10)
