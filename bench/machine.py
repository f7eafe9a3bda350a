"""The machine and the versions of a measurement, in general words."""

import os
import platform
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

import psutil


def machine() -> dict[str, Any]:
    """Cores, memory, system and Python of this machine."""
    return {
        "cores": os.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
    }


def versions(names: Sequence[str]) -> dict[str, str]:
    """Installed versions of distributions."""
    return {name: version(name) for name in names}


def sentence(about: dict[str, Any], numbers: dict[str, str]) -> str:
    """Both as a line of text."""
    where = f"{about['cores']} cores, {about['memory_gib']} GiB, {about['system']}, Python {about['python']}"
    return where + "; " + ", ".join(f"{name} {number}" for name, number in numbers.items())
