"""Where a process may listen, and how it is reached there."""

import socket
from pathlib import Path

import pytest
from pydantic import SecretStr

from infra.errors import UserError
from infra.listening import is_loopback, listen, require_key_or_loopback, url_of
from infra.metrics import Health, serve_health
from infra.settings import Settings


@pytest.mark.parametrize(
    ("host", "loopback"),
    [("127.0.0.1", True), ("127.8.9.1", True), ("::1", True), ("localhost", True)]
    + [(host, False) for host in ("0.0.0.0", "::", "10.0.0.1", "", "example.org", "127.0.0.1.example.org")],
)
def test_only_addresses_of_this_machine_need_no_key(host: str, loopback: bool) -> None:
    """Every other address is refused without a key and allowed with one."""
    assert is_loopback(host) == loopback
    require_key_or_loopback(host, SecretStr("sesame"))
    if loopback:
        require_key_or_loopback(host, None)
    else:
        with pytest.raises(UserError, match="MOODTAPE_API_KEY"):
            require_key_or_loopback(host, None)


@pytest.mark.parametrize("host", ["203.0.113.1", "no.such.host.invalid"])
def test_an_address_that_cannot_be_had_is_a_users_mistake(host: str) -> None:
    """The message names it and says what to do."""
    with pytest.raises(UserError, match=f"cannot listen on {host}:0: .*; take another"):
        listen(host, 0, "take another")


@pytest.mark.parametrize(("host", "shown"), [("0.0.0.0", "127.0.0.1"), ("127.0.0.1", "127.0.0.1"), ("::1", "[::1]")])
def test_the_url_is_one_that_this_machine_can_open(host: str, shown: str) -> None:
    """Listening on every address is told as loopback; addresses of both kinds are listened on."""
    with listen(host, 0, "") as listener:
        port = listener.getsockname()[1]
        assert url_of(listener) == f"http://{shown}:{port}"
        socket.create_connection((shown.strip("[]"), port)).close()


def test_a_port_for_metrics_that_is_taken_is_a_users_mistake(tmp_path: Path) -> None:
    """The message names the setting."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        settings = Settings(data_dir=tmp_path, metrics_port=server.getsockname()[1])
        with pytest.raises(UserError, match="MOODTAPE_METRICS_PORT"):
            serve_health(Health(), settings, "stream-quotes")
