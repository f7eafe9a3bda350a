"""Headlines that name several entities: is each one's label told better by its own clauses than by the whole?"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from infra.instruments import shipped_table
from streams.clauses import clauses, own_texts
from streams.matching import Matcher
from streams.scoring.scorer import LABELS
from streams.scoring.sets import headlines

from .fit import TextCounter
from .held import HELD, Study
from .sets import fold_of


@dataclass(frozen=True, slots=True)
class Entity:
    """One entity of a headline: its label, and what is said of it (the whole where that is not told apart)."""

    whole: str
    own: str
    label: int
    mixed: bool


def entities(folder: Path) -> list[Entity]:
    """Those of SEntFiN's headlines that name several; ``mixed``: not all of one label."""
    found, matcher = [], Matcher(shipped_table())
    for title, labels in headlines(folder):
        if len(labels) > 1:
            own = own_texts(clauses(title), _reader(matcher, title, tuple(labels)))
            mixed = len(set(labels.values())) > 1
            found += [Entity(title, own.get(name, title), LABELS.index(label), mixed) for name, label in labels.items()]
    return found


def _reader(matcher: Matcher, title: str, names: Sequence[str]) -> Callable[[str], list[str]]:
    """Who of the entities is named in a clause: as the matcher finds them; those that it does not know, as written."""
    read = matcher.reader(title, ())
    symbols = {name: read(name) for name in names}

    def named(clause: str) -> list[str]:
        there, small = read(clause), clause.lower()
        return [name for name in names if (symbols[name] & there if symbols[name] else name.lower() in small)]

    return named


def entity_figures(folder: Path, found: Study, counter: TextCounter) -> Iterator[str]:
    """Accuracy per entity by the whole headline and by its own clauses, of headlines that are held back."""
    asked = [entity for entity in entities(folder) if fold_of(entity.whole) == HELD]
    labels = np.array([entity.label for entity in asked])
    right = {}
    for way in ("whole", "own"):
        rows = counter.rows([getattr(entity, way) for entity in asked])
        right[way] = found.deployed(found.model.logits(rows), rows).argmax(axis=1) == labels
    mixed = np.array([entity.mixed for entity in asked])
    apart = np.array([entity.own != entity.whole for entity in asked])
    for name, of in (("all", mixed | ~mixed), ("of several labels", mixed), ("told apart", apart)):
        whole, own = right["whole"][of].mean(), right["own"][of].mean()
        yield f"entities, {name:<18} whole {whole:.4f}  own clauses {own:.4f}  n {of.sum()}"
