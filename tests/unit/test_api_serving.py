"""Where the API may listen, and which port it takes."""

import json
from pathlib import Path

import pytest

from api.app import SERVICES, create_app
from api.openapi import PATH, document
from api.secret import cursor_secret
from api.serving import bind, remembered_port
from infra.endpoints import Endpoints
from infra.errors import UserError
from infra.listening import url_of
from infra.settings import Settings

NOWHERE = Endpoints(kafka="", database="", redis="")


def settings_of(folder: Path, **given: object) -> Settings:
    """Settings with a data folder."""
    return Settings(data_dir=folder, **given)  # type: ignore[arg-type]


@pytest.mark.parametrize("content", ["", "{}", '{"url": 5}', "[]", '{"url": "http://x:port"}'])
def test_an_unreadable_note_of_the_last_port_is_no_obstacle(tmp_path: Path, content: str) -> None:
    """It counts as none."""
    note = tmp_path / "api.json"
    note.write_text(content)

    assert remembered_port(note) == remembered_port(tmp_path / "nothing") == 0


def test_the_remembered_port_is_taken_again_unless_another_has_it(tmp_path: Path) -> None:
    """Then a free one is; a port of the settings that is taken is a user's mistake."""
    note = tmp_path / "api.json"
    with bind(settings_of(tmp_path), note) as first:
        port = first.getsockname()[1]
        note.write_text(json.dumps({"url": url_of(first), "pid": 1}))
        with bind(settings_of(tmp_path), note) as second:
            assert second.getsockname()[1] != port
        with pytest.raises(UserError, match="--port"):
            bind(settings_of(tmp_path, api_port=port), note)
    with bind(settings_of(tmp_path), note) as again:
        assert again.getsockname()[1] == port


def test_a_host_that_does_not_exist_is_a_users_mistake(tmp_path: Path) -> None:
    """The message names the setting."""
    with pytest.raises(UserError, match="MOODTAPE_API_HOST"):
        bind(settings_of(tmp_path, api_host="no.such.host.invalid", api_port=0), tmp_path / "api.json")


def test_one_service_is_its_own_routes_and_health() -> None:
    """Together the services have every route."""

    def paths(service: str | None) -> set[str]:
        return set(create_app(Settings(), NOWHERE, service).openapi()["paths"])

    health = {"/livez", "/readyz", "/metrics"}
    ours = {f"/api/v1/correlation/{name}" for name in ("{symbol}/sentiment", "patterns", "predictions")}
    assert paths("correlation") == health | ours
    assert set().union(*(paths(service) for service in SERVICES)) == paths(None)


def test_the_committed_description_is_the_applications() -> None:
    """``python -m api.openapi`` refreshes it."""
    assert PATH.read_text("utf-8") == document()


def test_the_description_tells_problems_for_every_route_that_can_fail() -> None:
    """Each operation under /api has a 503, each with parameters a 422, all of them RFC 9457 problems."""
    described = json.loads(document())
    for path, operations in described["paths"].items():
        for operation in operations.values() if path.startswith("/api") else ():
            wanted = {"401", "503"} | ({"422"} if "parameters" in operation or "requestBody" in operation else set())
            assert wanted <= set(operation["responses"]), path
            for status in wanted:
                assert list(operation["responses"][status]["content"]) == ["application/problem+json"]
    assert "HTTPValidationError" not in json.dumps(described)


def test_cursors_have_one_secret_for_a_data_folder_or_a_key(tmp_path: Path) -> None:
    """It is kept over restarts, readable by its owner only, and another key or folder has another."""
    one = cursor_secret(settings_of(tmp_path / "a"))
    keyed = cursor_secret(settings_of(tmp_path / "a", api_key="sesame"))

    assert one == cursor_secret(settings_of(tmp_path / "a"))
    assert keyed == cursor_secret(settings_of(tmp_path / "b", api_key="sesame"))
    assert len({one, keyed, cursor_secret(settings_of(tmp_path / "b"))}) == 3
    assert (tmp_path / "a" / "api.secret").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["api.secret"]
