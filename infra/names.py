"""Company names as people write them: one normal form for names and for the texts they are looked for in."""

import re
import unicodedata

_LEGAL_FORMS = """
& ab ag and asa bhd co company corp corporation cos group hldg hldgs holding holdings inc incorporated kgaa llc lp
limited ltd na nv oyj plc reit sa sab sca se spa tbk the trust
"""
_LEGAL = frozenset(_LEGAL_FORMS.split())
_SMALL = frozenset({"at", "by", "de", "for", "in", "la", "of", "on", "to"})
# What listings write behind the name of the company.
_SECURITY = re.compile(
    r"\s+-\s.*$"
    r"|\s*\(.*$"
    r"|[\s,]+(?:class\s+[a-z]\b|series\s+[a-z]\b|common\s+(?:stock|share|unit)|capital\s+stock|ordinary\s+share"
    r"|american\s+depositary|depositary\s+share|sponsored\s+ad|adr\b|ads\b|new\s+common|subordinate|voting\s"
    r"|\$\d|each\s+representing|shares?\s+of\s+beneficial).*$",
    re.IGNORECASE,
)
_DERIVED = re.compile(
    r"\b(?:warrants?|rights?|(?<!common )units?|preferred|preference|notes?\s+due|debentures?)\b|%",
    re.IGNORECASE,
)
_POSSESSIVE = re.compile(r"\w+['’]s\b")
_ASCII_WORDS = "".join(chr(i).lower() if chr(i).isalnum() or chr(i) == "&" else " " for i in range(128))


def name_words(text: str) -> list[str]:
    """Words of a name or text: NFKC, case folded, everything but letters, digits and ``&`` a space.

    ``"Moody's"`` gives ``["moody", "s"]`` wherever it stands, so that names and texts still meet.
    """
    if text.isascii():
        return text.translate(_ASCII_WORDS).split()
    folded = unicodedata.normalize("NFKC", text).casefold()
    return "".join(c if c.isalnum() or c == "&" else " " for c in folded).split()


def normal_name(text: str) -> str:
    """The normal form of a name: its words with single spaces."""
    return " ".join(name_words(text))


def short_name(name: str) -> str:
    """Normal form without what listings add and without legal forms: ``Tesla, Inc. - Common Stock`` -> ``tesla``."""
    words = name_words(_SECURITY.sub("", name))
    # Each of "S.A." and "L.P." is a word here; so is the s of "Moody's", which stays.
    owner = _POSSESSIVE.search(name)
    keep = name_words(owner[0]) if owner else []
    while len(words) > 1 and words[-2:] != keep and (words[-1] in _LEGAL or len(words[-1]) == 1):
        words.pop()
    if len(words) > 1 and words[0] == "the":
        words = words[1:]
    return " ".join(words)


def plain_name(name: str) -> str:
    """A listing's name without what it says of the security: ``Tesla, Inc. - Common Stock`` -> ``Tesla, Inc.``."""
    return _SECURITY.sub("", name).strip()


def is_derived(name: str) -> bool:
    """Whether a listing's name is that of warrants, rights, units, preferred shares or notes of a company."""
    return _DERIVED.search(name) is not None


def is_small(word: str) -> bool:
    """Whether a word of a name's normal form may stand without a capital: legal forms, articles, prepositions."""
    return word in _LEGAL or word in _SMALL


def names_of(name: str) -> tuple[str, ...]:
    """Normal forms under which a company's name may appear in a text, the fullest first.

    Warrants, units, rights and preferred shares have none: their name means the company's common share.
    """
    if is_derived(name):
        return ()
    full = normal_name(_SECURITY.sub("", name))
    return tuple(dict.fromkeys(form for form in (full, short_name(name)) if form))
