"""The front door lists what there is."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.skipif(shutil.which("make") is None, reason="there is no make here")
def test_every_measurement_is_listed() -> None:
    """``make bench`` names each program under bench/, and no other."""
    told = subprocess.run(["make", "-s", "bench"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    listed = re.findall(r"^  make bench-([a-z]+)", told, re.MULTILINE)
    assert sorted(listed) == sorted(path.parent.name for path in (ROOT / "bench").glob("*/__main__.py"))
