"""Word lists, written by us, that come with the code."""

from functools import cache
from importlib.resources import files


@cache
def word_list(name: str) -> frozenset[str]:
    """Entries of ``<name>.txt``: words, many a line; below a line ``---`` phrases, one a line."""
    text = (files(__package__) / f"{name}.txt").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    below = lines.index("---") if "---" in lines else len(lines)
    return frozenset([*" ".join(lines[:below]).split(), *lines[below + 1 :]])
