"""The file of the light model's weights: what it holds, how it is written and read.

An ``npz`` of: ``words`` and ``kinds`` (UTF-8, one a line); for each family of ``features.py`` an array of indices
(n, 1..3) into them and one of integer weights (n, 2); ``step`` (2 floats, what one unit is worth), ``bias`` (2)
and ``linked`` (2; the bias of texts with a link), and ``measures`` (11, 2). The two columns are the logits of positive
and negative against neutral, with the temperature of the calibration already in them.
"""

import io
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..archive import zipped
from .features import FAMILIES, MEASURES, Key

KEY_PARTS = {"word": "w", "pair": "ww", "skip": "ww", "after": "wk", "before": "kw", "kinds": "kkk"}
NONE = 65_535

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Weights:
    """All that decides a score: for each family integer weights (positive, negative) by key, and the rest."""

    families: Mapping[str, Mapping[Key, tuple[int, int]]]
    step: tuple[float, float]
    bias: tuple[float, float]
    linked: tuple[float, float]
    measures: Sequence[tuple[float, float]]


def pack(weights: Weights) -> bytes:
    """The file's content; the same weights give the same bytes."""
    parts = {
        name: sorted((_parts(key), value) for key, value in family.items()) for name, family in weights.families.items()
    }
    words = sorted({p for name in FAMILIES for key, _ in parts[name] for p, k in _typed(name, key) if k == "w"})
    kinds = sorted({p for name in FAMILIES for key, _ in parts[name] for p, k in _typed(name, key) if k == "k"})
    index = {"w": {word: i for i, word in enumerate(words)}, "k": {kind: i for i, kind in enumerate(kinds)}}
    arrays: dict[str, npt.NDArray[Any]] = {
        "words": _lines(words),
        "kinds": _lines(kinds),
        "step": np.array(weights.step, "<f8"),
        "bias": np.array(weights.bias, "<f8"),
        "linked": np.array(weights.linked, "<f8"),
        "measures": np.array(weights.measures, "<f8"),
    }
    for name in FAMILIES:
        width = len(KEY_PARTS[name])
        rows = [[index[k][p] for p, k in _typed(name, key)] for key, _ in parts[name]]
        padded = [row + [NONE] * (width - len(row)) for row in rows]
        arrays[f"{name}_keys"] = np.array(padded, "<u2").reshape(len(padded), width)
        arrays[f"{name}_values"] = np.array([value for _, value in parts[name]], "<i2").reshape(len(padded), 2)
    return zipped(arrays)


def unpack(content: bytes) -> Weights:
    """Read a file's content.

    Raises:
        ValueError: it is no such file.
    """
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        names = {"w": _unlined(arrays["words"]), "k": _unlined(arrays["kinds"])}
        families = {name: _family(name, arrays, names) for name in FAMILIES}
        measures = [(float(up), float(down)) for up, down in arrays["measures"]]
        step, bias, linked = (_two(arrays[name]) for name in ("step", "bias", "linked"))
    except (KeyError, IndexError, EOFError, zipfile.BadZipFile, TypeError) as error:
        raise ValueError(f"not the light model's weights: {error!r}") from None
    if len(measures) != len(MEASURES):
        raise ValueError("not the light model's weights: a part has the wrong size")
    return Weights(families, step, bias, linked, measures)


def _two(array: npt.NDArray[Any]) -> tuple[float, float]:
    first, second = map(float, array)
    return first, second


def _family(
    name: str, arrays: Mapping[str, npt.NDArray[Any]], names: Mapping[str, Sequence[str]]
) -> dict[Key, tuple[int, int]]:
    table: dict[Key, tuple[int, int]] = {}
    for row, (up, down) in zip(arrays[f"{name}_keys"].tolist(), arrays[f"{name}_values"].tolist(), strict=True):
        parts = tuple(names[kind][i] for i, kind in zip(row, KEY_PARTS[name], strict=True) if i != NONE)
        table[parts if len(parts) > 1 else parts[0]] = (up, down)
    return table


def _parts(key: Key) -> tuple[str, ...]:
    return key if isinstance(key, tuple) else (key,)


def _typed(name: str, key: Sequence[str]) -> list[tuple[str, str]]:
    return list(zip(key, KEY_PARTS[name], strict=False))


def _lines(names: Sequence[str]) -> npt.NDArray[Any]:
    return np.frombuffer("\n".join(names).encode(), dtype=np.uint8)


def _unlined(array: npt.NDArray[Any]) -> list[str]:
    return bytes(array.astype(np.uint8)).decode().split("\n")
