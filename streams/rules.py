"""The rules by which a post names an instrument, with the confidence of each; an instrument keeps its surest.

=================== ===================================================================================================
rule                what was seen
=================== ===================================================================================================
``cashtag``         ``$`` and a known symbol in any case: ``$TSLA``, ``$brk.b``; coins and indices: ``$BTC``, ``$SPX``
``exchange``        a known symbol with its exchange: ``NYSE: GME``, ``(NASDAQ: TSLA, AAPL)``, ``$VOD.L``, ``005930.KS``
``tag``             the source itself tagged the post with a known symbol; tags are read as cashtags are
``name``            a name in use, in any case: ``tesla``, ``at&t``; not names that are English words
``name_capital``    a name in use that is an English word (``Apple``, ``Visa``) in capitals where the sentence does not
                    ask for one, or beside words of the market, or as a hashtag
``name_listed``     a name that only listings have, each word with a capital, and support
``bare``            a symbol in use of three letters or more in capitals, no English word, in a post that is not all
                    in capitals
``bare_listed``     the same of any other listed symbol, in brackets: ``Terex Corp. (TEX)``
``traded``          a symbol in capitals beside what one does with shares: ``BB calls``; short ones and words if in use
``exchange_unknown`` a symbol that we do not know with an exchange that we do: ``(NYSE: XYZW)``; no English word, digits
                    only where symbols are numbers, and not behind what is more than an exchange (``SIX``, ``IST``)
``cashtag_unknown`` ``$`` and one to five capitals that we do not know, and that are no currency: ``$ZZYQ``
``tag_unknown``     the source's tag has the form of a symbol that we do not know
``name_alone``      as ``name_listed``, without support
``bare_community``  as ``bare_listed``, without brackets, in a community that speaks of shares
``bare_alone``      as ``bare_listed``, without brackets, elsewhere
=================== ===================================================================================================

*In use* is what has an alias or is member of an index (:attr:`infra.instruments.InstrumentTable.in_use`). *Support* is
a word of the market in the post, or another instrument that it names for sure.
"""

from typing import NamedTuple


class Found(NamedTuple):
    """An instrument that a rule saw."""

    symbol: str
    rule: str


CONFIDENCE = {
    "cashtag": 0.99,
    "exchange": 0.98,
    "tag": 0.97,
    "name": 0.96,
    "name_capital": 0.95,
    "name_listed": 0.88,
    "bare": 0.94,
    "bare_listed": 0.60,
    "bare_community": 0.82,
    "traded": 0.80,
    "exchange_unknown": 0.95,
    "cashtag_unknown": 0.75,
    "tag_unknown": 0.70,
    "name_alone": 0.80,
    "bare_alone": 0.25,
}
"""The share that is right, as ``bench/matching`` and the readings in ``docs/figures.md`` found it; cashtags and
tags are what was measured against, and have theirs by assumption."""
BY_NAME = frozenset({"name", "name_capital", "name_listed", "name_alone"})
"""The rules that saw a company and not its symbol."""
