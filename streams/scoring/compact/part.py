"""Our part of the compact model: what training changed, as the file that ships.

An ``npz`` of: for each matrix of the base's layers, as ``0/query/down`` (rank, inputs) and ``0/query/up`` (outputs,
rank), in half precision: ``up @ down`` is added to it; ``head`` (3, width) and ``bias`` (3), which make logits of the
mean of the last layer's rows, with the temperature of the calibration in them; ``linked`` (3), which a text with a link
gets besides. Outputs are positive, negative, neutral.
"""

import hashlib
import io
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources

import numpy as np
import numpy.typing as npt

from ..archive import zipped
from .base import Floats

MATRICES: Mapping[str, str] = {
    "query": "attention.self.query",
    "key": "attention.self.key",
    "value": "attention.self.value",
    "mix": "attention.output.dense",
    "widen": "intermediate.dense",
    "narrow": "output.dense",
}
"""Our names of a layer's matrices, and the base's."""


@dataclass(frozen=True, slots=True)
class Part:
    """``changes[layer, matrix]`` is (down, up); ``head`` (3, width); ``bias`` and ``linked`` (3)."""

    changes: Mapping[tuple[int, str], tuple[Floats, Floats]]
    head: Floats
    bias: Floats
    linked: Floats

    def changed(self, layer: int, matrix: str, weights: Floats) -> Floats:
        """A matrix of the base (outputs, inputs) as training left it."""
        change = self.changes.get((layer, matrix))
        return weights if change is None else weights + change[1] @ change[0]


def pack(part: Part) -> bytes:
    """The file's content; the same part gives the same bytes."""
    ends = {"head": part.head, "bias": part.bias, "linked": part.linked}
    arrays: dict[str, npt.NDArray[np.floating]] = {name: values.astype("<f4") for name, values in ends.items()}
    for (layer, matrix), (down, up) in sorted(part.changes.items()):
        arrays[f"{layer}/{matrix}/down"] = down.astype("<f2")
        arrays[f"{layer}/{matrix}/up"] = up.astype("<f2")
    return zipped(arrays)


def unpack(content: bytes) -> Part:
    """Read a file's content.

    Raises:
        ValueError: it is no such file.
    """
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as file:
            arrays = {name: file[name].astype(np.float64) for name in file.files}
        places = [name.split("/") for name in arrays if name.endswith("/down")]
        changes = {
            (int(layer), matrix): (arrays[f"{layer}/{matrix}/down"], arrays[f"{layer}/{matrix}/up"])
            for layer, matrix, _ in places
        }
        return Part(changes, arrays["head"], arrays["bias"], arrays["linked"])
    except (KeyError, ValueError, EOFError, OSError, zipfile.BadZipFile) as error:
        raise ValueError(f"not our part of the compact model: {error!r}") from None


def shipped() -> Part:
    """The part that comes with the package."""
    return unpack(_content())


def part_digest() -> str:
    """First 12 hexadecimal digits of the SHA-256 of the part that comes with the package."""
    return hashlib.sha256(_content()).hexdigest()[:12]


def _content() -> bytes:
    return resources.files(__package__).joinpath("part.npz").read_bytes()
