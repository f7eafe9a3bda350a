"""What one edge of the flow adds up to."""

from dataclasses import dataclass, field
from typing import Any, Literal

Trouble = Literal["missing", "extra", "altered"]
LISTED = 20


@dataclass(slots=True)
class Edge:
    """One edge: facts that went in, facts that came out, and what does not add up.

    ``missing`` went in and did not come out, ``extra`` came out twice or from nowhere, ``altered`` came out
    different; ``unjudged`` may be right or wrong, the logs do not tell. The first 20 of each kind are
    named in ``problems``, all are counted.
    """

    name: str
    facts_in: int = 0
    facts_out: int = 0
    dead: int = 0
    duplicates: int = 0
    missing: int = 0
    extra: int = 0
    altered: int = 0
    unjudged: int = 0
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether everything adds up."""
        return not (self.missing or self.extra or self.altered)

    def blame(self, trouble: Trouble, what: str) -> None:
        """Count one problem and name it unless 20 of its kind are named."""
        count = getattr(self, trouble) + 1
        setattr(self, trouble, count)
        if count <= LISTED:
            self.problems.append(f"{self.name}: {trouble}: {what}")

    def to_json(self) -> dict[str, Any]:
        """The edge as JSON values."""
        return {
            "edge": self.name,
            "in": self.facts_in,
            "out": self.facts_out,
            "dead": self.dead,
            "duplicates": self.duplicates,
            "missing": self.missing,
            "extra": self.extra,
            "altered": self.altered,
            "unjudged": self.unjudged,
            "ok": self.ok,
            "problems": self.problems,
            "notes": self.notes,
        }


@dataclass(frozen=True, slots=True)
class Report:
    """Every edge that was looked at."""

    edges: tuple[Edge, ...]

    @property
    def ok(self) -> bool:
        """Whether every edge adds up."""
        return all(edge.ok for edge in self.edges)

    def to_json(self) -> dict[str, Any]:
        """``{"edges": [...], "ok": bool}``."""
        return {"edges": [edge.to_json() for edge in self.edges], "ok": self.ok}

    def to_text(self) -> str:
        """A table of the edges, and below it the named problems."""
        heads = ("edge", "in", "out", "dead", "duplicates", "missing", "extra", "altered", "")
        rows = [heads, *(_cells(edge) for edge in self.edges)]
        widths = [max(len(row[i]) for row in rows) for i in range(len(heads))]
        lines = [_line(row, widths) for row in rows]
        lines += [note for edge in self.edges for note in edge.notes]
        lines += [f"{edge.name}: {edge.unjudged:,} not judged" for edge in self.edges if edge.unjudged]
        lines += [problem for edge in self.edges for problem in edge.problems]
        lines += [_more(edge) for edge in self.edges if edge.missing + edge.extra + edge.altered > len(edge.problems)]
        return "\n".join(lines)


def _cells(edge: Edge) -> tuple[str, ...]:
    counts = (
        edge.facts_in,
        edge.facts_out,
        edge.dead,
        edge.duplicates,
        edge.missing,
        edge.extra,
        edge.altered,
    )
    return (edge.name, *(f"{count:,}" for count in counts), "ok" if edge.ok else "WRONG")


def _line(row: tuple[str, ...], widths: list[int]) -> str:
    name, *rest = row
    return "  ".join([name.ljust(widths[0]), *(c.rjust(w) for c, w in zip(rest, widths[1:], strict=True))]).rstrip()


def _more(edge: Edge) -> str:
    rest = edge.missing + edge.extra + edge.altered - len(edge.problems)
    return f"{edge.name}: and {rest:,} more"
