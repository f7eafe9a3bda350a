"""What the doctor says of the API's address."""

import socket
from pathlib import Path

import pytest

from infra.settings import Settings
from moodtape.doctor import Finding, examine


def api_port(folder: Path, **given: object) -> Finding:
    """The finding about the API's address."""
    found = examine(Settings(data_dir=folder, **given))  # type: ignore[arg-type]
    return next(each for each in found if each.name == "api port")


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_a_port_that_the_api_could_take_is_fine(tmp_path: Path, host: str) -> None:
    """In IPv4 and IPv6, also while connections to an earlier process linger."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, 0), family=family) as server:
        port = server.getsockname()[1]
        with socket.create_connection((host, port), 5) as caller:
            server.accept()[0].close()  # the side that closes first lingers
            caller.recv(1)
    assert api_port(tmp_path, api_host=host, api_port=port) == Finding("api port", "ok", f"{host}:{port} is free")
    assert api_port(tmp_path, api_host=host).text == "chosen free when the API starts"


def test_an_address_that_the_api_could_not_take_is_broken(tmp_path: Path) -> None:
    """A port that is taken, and an address that lets others in without a key; the text says what to set."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        taken = api_port(tmp_path, api_port=server.getsockname()[1])
    assert taken.state == "broken"
    assert "set another MOODTAPE_API_HOST or MOODTAPE_API_PORT" in taken.text
    assert "MOODTAPE_API_KEY" in api_port(tmp_path, api_host="0.0.0.0").text
