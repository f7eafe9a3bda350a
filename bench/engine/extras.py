"""What the alternatives need and the project does not: an environment for quixstreams, apart from ours."""

import hashlib
import subprocess
import sys
from pathlib import Path

from bench.servers import note

ROOT = Path(__file__).resolve().parents[2]
LOCK = ROOT / "requirements-bench.lock"
FOLDER = ROOT / ".venv-bench"


def quix_python() -> Path:
    """The Python of an environment with quixstreams as locked; made on first use."""
    folder = FOLDER / "quixstreams"
    python, stamp = folder / "bin" / "python", folder / ".ready"
    wanted = hashlib.sha256(LOCK.read_bytes()).hexdigest()
    if stamp.exists() and stamp.read_text() == wanted:
        return python
    note(f"installing quixstreams into {folder.relative_to(ROOT)}")
    uv = [sys.executable, "-m", "uv", "-q"]
    subprocess.run([*uv, "venv", "--clear", "--python", sys.executable, str(folder)], check=True)
    install = ["pip", "install", "--python", str(python), "--require-hashes", "-r", str(LOCK)]
    subprocess.run([*uv, *install], check=True)
    stamp.write_text(wanted)
    return python


def alternatives() -> dict[str, str]:
    """Versions of what we are compared with and do not have in our own environment."""
    lines = LOCK.read_text().splitlines()
    pinned = dict(line.rstrip(" \\").split("==") for line in lines if "==" in line and ";" not in line)
    return {name: pinned[name] for name in ("quixstreams", "rocksdict")}
