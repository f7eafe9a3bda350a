"""Sockets to listen on: who reaches an address, and the URL of one for a caller on this machine."""

import ipaddress
import socket

from pydantic import SecretStr

from .errors import UserError

KEY_HEADER = "X-API-Key"
_BACKLOG = 512


def require_key_or_loopback(host: str, api_key: SecretStr | None) -> None:
    """Refuse to be heard from elsewhere without a key.

    Raises:
        UserError: the address is not loopback and there is no API key.
    """
    if api_key is None and not is_loopback(host):
        raise UserError(
            f"listening on {host} lets other machines in: set MOODTAPE_API_KEY, "
            f"which callers then send as {KEY_HEADER}, or listen on 127.0.0.1"
        )


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address; a name counts as loopback when it is ``localhost``."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def listen(host: str, port: int, remedy: str) -> socket.socket:
    """A listening socket; port 0 = a free one.

    Raises:
        UserError: the address cannot be had; the message ends with ``remedy``.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise _refused(host, port, error, remedy) from None
    # Connections of an earlier process that still linger do not hold the port.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(address)
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        raise _refused(host, port, error, remedy) from None
    return listener


def url_of(listener: socket.socket) -> str:
    """Address for a caller on this machine; one that listens everywhere is named by loopback."""
    host, port = listener.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104  # told, not bound
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _refused(host: str, port: int, error: OSError, remedy: str) -> UserError:
    return UserError(f"cannot listen on {host}:{port}: {error.strerror}; {remedy}")
