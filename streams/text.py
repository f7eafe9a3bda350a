"""What can be said of a text without a model: normal form, words, fingerprint, language, likeness to spam.

Everything here is a pure function of the text, and linear in its length.
"""

import html
import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache
from hashlib import blake2b

import numpy as np

from schemas.records import RawPost

from .words import word_list

MAX_WORDS = 10
MAX_PAIRS = 2000

# A path without a scheme needs a host with an ending in small letters, as people type them: "VOD.L/BP.L" is none.
_LINK = re.compile(
    r"\b(?:https?://\S+|www\.\S+|(?<![$.])[\w-]{1,63}(?:\.[\w-]{1,63}){1,4}/"
    r"(?-i:(?<=[a-z]{2}/)|(?<=\.COM/)|(?<=\.NET/)|(?<=\.ORG/)|(?<=\.LY/))\S*)",
    re.IGNORECASE,
)
_MAIL = re.compile(r"\b[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){0,3}\.[A-Za-z]{2,10}\b")
_HANDLE = re.compile(r"(?<![\w@])@\w{1,64}")
_REPOST = re.compile(r"^\s*rt\s*@\w{1,64}:?\s*", re.IGNORECASE)
_TOKEN = re.compile(r"[$#]?[^\W_]+(?:['’][^\W_]+)?")
_SPACES = re.compile(r"\s+")


def without_links(text: str) -> str:
    """The text with HTML's entities resolved, and every URL, e-mail address and ``@handle`` replaced by a space."""
    if "&" in text and ";" in text:
        text = html.unescape(text)
    if "://" in text or "/" in text or "www." in text:
        text = _LINK.sub(" ", text)
    if "@" in text:
        text = _HANDLE.sub(" ", _MAIL.sub(" ", text))
    return text


def normalise(text: str) -> str:
    """NFKC, case folded, without links, handles, the mark of a repost and surplus spaces."""
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
    return _SPACES.sub(" ", without_links(_REPOST.sub("", text)).casefold()).strip()


@lru_cache(maxsize=4)
def words_of(text: str) -> tuple[str, ...]:
    """Words and numbers of a normalised text in order; a cashtag keeps its ``$``, a hashtag its ``#``.

    The last texts' are remembered: several functions here ask for those of one post in turn.
    """
    return tuple(_TOKEN.findall(text))


def keywords(words: Iterable[str]) -> tuple[str, ...]:
    """The first ten different words worth counting: 3 to 24 letters, no cashtags, numbers or stop words."""
    stop = word_list("stop_words")
    found: dict[str, None] = {}
    for word in words:
        bare = word.removeprefix("#").replace("’", "'").removesuffix("'s")
        if 3 <= len(bare) <= 24 and bare not in stop and bare.replace("'", "").isalpha():
            found[bare] = None
            if len(found) == MAX_WORDS:
                break
    return tuple(found)


def fingerprint(text: str) -> int | None:
    """SimHash of a normalised text: 64 bits as a signed integer, over the pairs of neighbouring words.

    A bit is set where more than half of the pairs' hashes have it. None where there is no pair.
    """
    words = words_of(text)[: MAX_PAIRS + 1]
    if len(words) < 2:
        return None
    hashes = np.array([_word_hash(word) for word in words], dtype="<u8")
    pairs = _mixed(hashes[:-1] * _ODD + hashes[1:])
    counts = np.unpackbits(pairs.view(np.uint8).reshape(-1, 8), axis=1).sum(axis=0, dtype=np.int64)
    bits = np.packbits(counts * 2 > len(words) - 1)
    return int.from_bytes(bits.tobytes(), "little", signed=True)


_ODD = np.uint64(0x9E3779B97F4A7C15)


def _mixed(values: "np.ndarray[tuple[int], np.dtype[np.uint64]]") -> "np.ndarray[tuple[int], np.dtype[np.uint64]]":
    """The finaliser of SplitMix64: every bit of the input moves every bit of the output."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


@lru_cache(maxsize=65_536)
def _word_hash(word: str) -> int:
    return int.from_bytes(blake2b(word.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")


_COMMON = {
    "en": "the and is to of in it that for on are was this with you be have not at but what they will just my",
    "es": "el los las una que por con para es del se su lo como más pero está muy hoy sin sobre todo este de la al un",
    "de": "der die das und ist nicht ein eine zu den mit auf für von dem sich auch wird bei heute im aus wie noch ich",
    "fr": "le les des est et une dans que pour pas sur qui avec du au ce sont plus aux cette je ne nous mais de la un",
    "pt": "os uma que em para com não é na por mais foi ao das dos hoje muito um se tudo isso mas de da",
    "it": "il gli che di è una non con del della sono più anche nel alla questo dei oggi tutto ma si la al per un ha",
    "nl": "het een van niet dat voor met zijn ook aan wordt bij naar deze vandaag ik nog maar alles de en is op te al",
    "sv": "och det är inte ett av för med som på jag har från till den sig var vid idag så allt men om",
    "pl": "nie się jest na że to jak czy za po dla przez są tak już ale bardzo dziś",
    "tr": "ve bir bu çok ile için daha değil gibi ne var ama kadar her bugün olan",
    "id": "yang dan di ini dari tidak akan untuk dengan saya ada lagi sudah karena pada itu lebih juga ke bisa",
}
# Letters that few other languages have: a word with one speaks for these.
_LETTERS = {
    "ñ¿¡": ("es",), "ãõ": ("pt",), "ß": ("de",), "äöü": ("de", "sv", "tr"), "å": ("sv",), "êîûœ": ("fr", "pt"),
    "ğış": ("tr",), "ąęłśżźćń": ("pl",), "ìò": ("it",), "èù": ("it", "fr"), "à": ("fr", "pt", "it"),
    "ç": ("fr", "pt", "tr"), "áíóú": ("es", "pt"),
}  # fmt: skip
_LANGUAGE_OF: dict[str, tuple[str, ...]] = {}
for _language, _words in _COMMON.items():
    for _word in _words.split():
        _LANGUAGE_OF[_word] = (*_LANGUAGE_OF.get(_word, ()), _language)
_LANGUAGES_OF_LETTER = {letter: languages for letters, languages in _LETTERS.items() for letter in letters}
_SCRIPTS = (
    ("\u3040", "\u30ff", "ja"),
    ("\uac00", "\ud7a3", "ko"),
    ("\u4e00", "\u9fff", "zh"),
    ("\u0400", "\u04ff", "ru"),
    ("\u0370", "\u03ff", "el"),
    ("\u0900", "\u097f", "hi"),
    ("\u0e00", "\u0e7f", "th"),
)
_SCRIPTS_RTL = (("\u0590", "\u05ff", "he"), ("\u0600", "\u06ff", "ar"))


# What X writes where a post has no language: undetermined, none, only emoji, links, hashtags, cashtags ...
_NO_LANGUAGE = frozenset({"", "und", "zxx", "mul", "mis", "art", "qam", "qct", "qht", "qme", "qst"})


def language_of(text: str, given: str | None) -> str | None:
    """Language of a normalised text: the source's own tag, else by script, else by the commonest little words.

    A tag's region is left out (``en-GB`` is ``en``), a tag that stands for no language is none. None where nothing says
    it: fewer than two little words or words with letters of their own, or as many of two languages.
    """
    tag = re.split("[-_]", given.strip().lower(), maxsplit=1)[0] if given else ""
    if tag not in _NO_LANGUAGE:
        return tag
    if not text.isascii():
        script = _script(text)
        if script is not None:
            return script
    return _by_little_words(words_of(text[:2000]))


def is_scored_language(language: str | None) -> bool:
    """Whether the scorers read it: English, and what says too little to be told ("$TSLA 🚀")."""
    return language is None or language == "en"


def _script(text: str) -> str | None:
    letters = [c for c in text[:500] if c.isalpha()]
    for low, high, language in (*_SCRIPTS, *_SCRIPTS_RTL):
        if letters and 3 * sum(low <= c <= high for c in letters) > len(letters):
            return language
    return None


def _by_little_words(words: Iterable[str]) -> str | None:
    counts: dict[str, int] = {}
    for word in words:
        for language in _LANGUAGE_OF.get(word) or _by_letters(word):
            counts[language] = counts.get(language, 0) + 1
    best = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:2]
    if not best or best[0][1] < 2 or (len(best) == 2 and best[0][1] == best[1][1]):
        return None
    return best[0][0]


def _by_letters(word: str) -> tuple[str, ...]:
    if word.isascii():
        return ()
    return next((_LANGUAGES_OF_LETTER[letter] for letter in word if letter in _LANGUAGES_OF_LETTER), ())


_PROMOTION = re.compile(
    r"\b(?:join (?:us|our|my|the)|sign up|subscribe|free (?:trial|signals?|alerts?|access|picks|webinar)|t\.me"
    r"|(?:telegram|whats ?app) (?:groups?|channels?|chats?|me|us|numbers?)|(?:on|via|by) (?:telegram|whats ?app)"
    r"|discord\.gg|dm (?:me|us|for)|click (?:here|the link)|link in bio|100 ?% (?:profit|accuracy|win|returns?)"
    r"|guaranteed|chat ?room|giveaway|promo code|stock alerts?|trading alerts?|penny stock|follow (?:me|us|for)"
    r"|check out (?:our|my)|referral|airdrop|are you investing in|must (?:see|have)|try (?:it )?now|give it a try)\b"
)
_RUN = re.compile(r"(\S)\1{7}")
_BOARD_TAGS, _BOARD_SHARE = 3, 0.3


def spam_score(text: str, post: RawPost) -> float:
    """How much a post looks like spam, in [0, 1]; 0.5 keeps it out of moods.

    Independent signs, each a probability, joined by ``1 - product(1 - p)``: five or more instruments (0.15 for each
    past the fourth, at most 0.75), a link beside three or more cashtags that are three of ten words (0.5; a board that
    says nothing of each), words of promotion (0.35 for the first, 0.6 for more), two or more links (0.3), five or
    more hashtags (0.4), a word list that repeats itself (0.4), a character eight times in a row (0.1).

    Args:
        text: the post's normalised text.
        post: the post, for the original text and the source's tags.
    """
    words = words_of(text)
    cashtags = len({word for word in words if word[0] == "$" and word[1:2].isalpha()})
    links = post.text.count("://")
    signs = (
        _step(max(cashtags, len(post.symbols)), 4, 0.15, 0.75),
        0.5 if links and cashtags >= max(_BOARD_TAGS, _BOARD_SHARE * len(words)) else 0.0,
        min(0.6, 0.35 * len(_PROMOTION.findall(text))),
        0.3 if links >= 2 else 0.0,
        0.4 if sum(word[0] == "#" for word in words) >= 5 else 0.0,
        0.4 if len(words) >= 12 and 2 * len(set(words)) < len(words) else 0.0,
        0.1 if _RUN.search(text) else 0.0,
    )
    honest = 1.0
    for sign in signs:
        honest *= 1.0 - sign
    return round(1.0 - honest, 6)


def _step(count: int, free: int, each: float, most: float) -> float:
    return min(most, each * max(0, count - free))
