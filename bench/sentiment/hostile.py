"""Texts made to cost much or to break something, each with an instrument in it."""

from collections.abc import Mapping
from itertools import product

HOSTILE: Mapping[str, str] = {
    "binary": bytes(range(256)).decode("latin-1") * 40 + " tesla",
    "null characters": "\0tesla\0 falls\0",
    "half a surrogate": "tesla \ud83d falls",
    "right to left": "\u202etesla \u202b" + "מניה " * 50,
    "zalgo": "t\u0300\u0301" + "e\u0336\u0489\u035f" * 400 + " $TSLA",
    "only emoji": "🚀💎🙌" * 500,
    "ten thousand cashtags": " ".join("$" + "".join(letters) for letters in product("QWXZJKVYBH", repeat=4)),
    "a megabyte of sentences": "tesla falls. " * 80_000,
    "a megabyte of spaces": " \n" * 500_000 + "tesla",
    "a megabyte of marks": "tesla " + "!?.;|-" * 170_000,
}
