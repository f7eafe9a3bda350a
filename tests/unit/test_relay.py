"""The relay that tests put before servers does to a connection what it says, and nothing else."""

import socket
import threading
from collections.abc import Iterator

import pytest

from tests.helpers.relay import Relay
from tests.helpers.waiting import wait_for


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
def relay(echo: int) -> Iterator[Relay]:
    """A relay before the server."""
    with Relay("127.0.0.1", echo) as relay:
        yield relay


def connect(relay: Relay) -> socket.socket:
    """A client of the relay."""
    return socket.create_connection(("127.0.0.1", relay.port), timeout=10)


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


def test_it_passes_everything_on(relay: Relay) -> None:
    """What goes in comes out, on every connection, also slowed."""
    with connect(relay) as one, connect(relay) as two:
        assert ask(one, b"a") == b"a"
        relay.slow(0.01)
        assert ask(two, b"b" * 70) == b"b" * 70


def test_a_cut_resets_and_refuses_until_it_is_mended(relay: Relay) -> None:
    """After a cut connections are reset and new ones refused; mended, the same port serves again."""
    with connect(relay) as client:
        assert ask(client, b"a") == b"a"
        relay.cut()
        with pytest.raises(ConnectionResetError):
            ask(client, b"b")
        with pytest.raises(ConnectionRefusedError):
            connect(relay)
    relay.mend()
    with connect(relay) as client:
        assert ask(client, b"c") == b"c"
        relay.reset()
        with pytest.raises(ConnectionResetError):
            ask(client, b"d")
    with connect(relay) as client:
        assert ask(client, b"e") == b"e"


@pytest.mark.parametrize("directions", [(), ("to server",), ("to client",)])
def test_a_black_hole_delivers_when_it_heals(relay: Relay, directions: tuple[str, ...]) -> None:
    """Held in one or both directions nothing comes back and nobody is told; released, all of it does."""
    with connect(relay) as client:
        assert ask(client, b"a") == b"a"
        relay.hold(*directions)  # type: ignore[arg-type]  # literals of the parametrization
        client.settimeout(0.2)
        with pytest.raises(TimeoutError):
            ask(client, b"b")
        client.settimeout(10)
        relay.release()
        assert client.recv(10) == b"b"


def test_one_answer_is_lost_after_the_request_was_served(relay: Relay) -> None:
    """The named request reaches the server and its answer does not come back; others are untouched."""
    relay.lose_answer(b"COMMIT")
    with connect(relay) as other, connect(relay) as client:
        assert ask(client, b"BEGIN") == b"BEGIN"
        assert relay.waits
        with pytest.raises(ConnectionResetError):
            ask(client, b"COMMIT")
        assert not relay.waits
        assert ask(other, b"COMMIT") == b"COMMIT"


def test_half_an_answer_is_no_answer(relay: Relay) -> None:
    """Half of the answer arrives, then a reset."""
    relay.break_answer()
    with connect(relay) as client:
        client.sendall(b"abcd")
        wait_for(lambda: not relay.waits, "the answer is broken")
        assert client.recv(10) == b"ab"
        with pytest.raises(ConnectionResetError):
            client.recv(10)
