"""Models of the hub: fetched once, checked, then used without a network."""

import hashlib
from importlib.util import find_spec
from itertools import product
from pathlib import Path

from infra.errors import ServiceUnavailable, UserError
from infra.files import write_whole

MISSING = "the client of the model hub is not installed; run: pip install moodtape[onnx]"
SMALL_FILES = ("*.json", "vocab.txt", "merges.txt", "*.model")
"""What a sequence classifier needs beside its weights: configuration and tokenizer."""
PULLED = "moodtape"
"""What the hub's cache knows the pulled revision by; its ``main`` moves with whatever another program fetches."""
_SAFE, _PICKLED = "model.safetensors", "pytorch_model.bin"
_BLOCK = 1 << 20


def pull(name: str) -> Path:
    """Fetch a model by its hub name, going on where an interrupted call ended; returns its folder.

    Files land in the hub's own cache, where every later load finds this revision, offline. Each is checked against the
    digest that the hub gave for it; one that differs is removed.

    Raises:
        UserError: there is no such model, it is not a classifier, what came is damaged, or the cache cannot be written.
        ServiceUnavailable: the hub cannot be reached.
    """
    if find_spec("huggingface_hub") is None:
        raise UserError(MISSING)
    import httpx
    from huggingface_hub import HfApi, errors, snapshot_download

    try:
        offered = {file.rfilename for file in HfApi().model_info(name).siblings or ()}
        if "config.json" not in offered or not offered & {_SAFE, _PICKLED}:
            raise UserError(
                f"{name}: no config.json with {_SAFE} or {_PICKLED}; it is not a classifier for transformers"
            )
        weights = _SAFE if _SAFE in offered else _PICKLED
        folder = Path(snapshot_download(name, allow_patterns=[*SMALL_FILES, "*.onnx", weights]))
    except (errors.RepositoryNotFoundError, errors.GatedRepoError, errors.HFValidationError) as error:
        raise UserError(f"{name}: {str(error).strip().partition(chr(10))[0]}") from None
    except (httpx.HTTPError, errors.HfHubHTTPError, errors.LocalEntryNotFoundError, OSError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise ServiceUnavailable(f"the model hub cannot be reached, what is here is kept: {reason}") from None
    check(folder)
    try:
        write_whole(folder.parents[1] / "refs" / PULLED, folder.name)
    except OSError as error:
        raise UserError(f"{folder}: the cache cannot be written: {error.strerror or error}") from None
    return folder


def pulled(name: str) -> Path | None:
    """The folder of a model of the hub that is on this machine: as pulled, else as another program fetched it."""
    if find_spec("huggingface_hub") is None:
        return None
    from huggingface_hub import errors, try_to_load_from_cache

    for revision, weights in product((PULLED, "main"), (_SAFE, _PICKLED)):
        try:
            found = [try_to_load_from_cache(name, file, revision=revision) for file in ("config.json", weights)]
        except errors.HFValidationError:
            return None
        if all(isinstance(path, str) for path in found):
            return Path(str(found[0])).parent
    return None


def check(folder: Path) -> None:
    """Compare every file of a snapshot with the digest that names it in the cache.

    Raises:
        UserError: a file is damaged; it was removed, and the next pull fetches it again.
    """
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        blob = path.resolve()
        if blob != path and not _is_intact(blob):
            blob.unlink()
            path.unlink(missing_ok=True)
            raise UserError(f"{path.name} was damaged and is removed; pull again")


def _is_intact(blob: Path) -> bool:
    """The cache names large files by their SHA-256, small ones by git's SHA-1 of them."""
    if len(blob.name) == 64:
        digest = hashlib.sha256()
    elif len(blob.name) == 40:
        digest = hashlib.sha1(b"blob %d\0" % blob.stat().st_size, usedforsecurity=False)
    else:
        return True
    with blob.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest() == blob.name
