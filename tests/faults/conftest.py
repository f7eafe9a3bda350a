"""One world for the twelve cases of CI."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from .world import World

SEED = 20_240_501


@pytest.fixture(scope="module")
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    """A pipeline that flows; its folder is kept in the system's temporary folder when a test fails."""
    folder = Path(tempfile.mkdtemp(prefix="moodtape-faults-"))
    with World(folder / "data", SEED) as made:
        yield made
    if not request.session.testsfailed:
        shutil.rmtree(folder, ignore_errors=True)
