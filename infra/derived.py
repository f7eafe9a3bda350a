"""The table of listed instruments that ships (``data/listed.csv``), derived from public listings.

``moodtape instruments derive`` makes it; CONTRIBUTING.md says from which files, all of them in the public domain.
"""

import re
from collections.abc import Iterable
from dataclasses import replace

from schemas.records import Instrument

from .listings import Listing
from .names import plain_name

# What the terms of a preferred share begin with, and the state that the SEC writes behind a name ("/DE/").
_TERMS = re.compile(r"(?:,? each |,? represent|,? rep[rs]).*$", re.IGNORECASE)
_STATE = re.compile(r"\s*/[A-Za-z]{2,5}/?$")
_LONGEST = 80


def derived(listings: Iterable[Listing]) -> list[Instrument]:
    """Each symbol once, by symbol: the first listing's, with the aliases that later ones have for it.

    Names lose what listings say of the security, but for warrants and the like, which would bear the company's.
    """
    found: dict[str, Instrument] = {}
    for listing in listings:
        for new in listing.instruments:
            old = found.get(new.symbol)
            found[new.symbol] = _shortened(new) if old is None else replace(old, aliases=old.aliases + new.aliases)
    return [found[symbol] for symbol in sorted(found)]


def _shortened(instrument: Instrument) -> Instrument:
    if instrument.kind == "DERIVED":
        return replace(instrument, name=_TERMS.sub("", instrument.name)[:_LONGEST].strip())
    return replace(instrument, name=_STATE.sub("", plain_name(instrument.name)))
