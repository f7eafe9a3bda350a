"""``python -m bench.matching``: precision and recall of what texts say without their cashtags, and posts a second.

A mention that no cashtag confirms may still be right: a tweet about $AAPL that also names Google. ``--show N`` prints
N of them for reading; ``--wrong W --read R`` takes what a reader found (W wrong of R read) into the precision.
"""

import argparse
import json
import os
import random
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from infra.instruments import InstrumentTable, shipped_table
from infra.names import short_name
from streams.matching import Matcher

from .posts import Labelled, companies, decided, recorded, stocknet

SHARED = Path(os.environ.get("MOODTAPE_SHARED", "../shared"))
AT = 1_388_534_400_000_000  # the tweets are of 2014
RECORDINGS = ("gme_2021_01", "tsla_2022_03", "stocknet_2014")


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print and keep the results."""
    parser = argparse.ArgumentParser(prog="python -m bench.matching", description=__doc__)
    parser.add_argument("--show", type=int, default=0, metavar="N", help="print N mentions that no cashtag confirms")
    parser.add_argument("--wrong", type=int, default=5, help="wrong ones among those read (default 5)")
    parser.add_argument("--read", type=int, default=100, help="unconfirmed mentions that were read (default 100)")
    parser.add_argument("--out", type=Path, default=Path("bench/results/matching.json"))
    given = parser.parse_args(arguments)
    folder = SHARED / "data" / "stocknet_tweets_2014"
    if not folder.exists():
        parser.error(f"{folder} is not there; set MOODTAPE_SHARED")
    table = shipped_table()
    quality = judge(list(stocknet(folder)), companies(folder), table, given.show)
    unconfirmed = 1.0 - quality["confirmed"]
    quality["precision"] = round(1.0 - unconfirmed * given.wrong / given.read, 4)
    quality["read"] = {"unconfirmed mentions read": given.read, "wrong": given.wrong}
    result = {"quality": quality, "posts per second": {name: speed(table, name) for name in RECORDINGS}}
    print(json.dumps(result, indent=1))
    given.out.write_text(json.dumps(result, indent=1) + "\n")


def judge(posts: list[Labelled], names: dict[str, str], table: InstrumentTable, show: int) -> dict[str, object]:
    """Shares of mentions confirmed by a cashtag, by rule, and of decided symbols that were found."""
    matcher = Matcher(table)
    issuer = {instrument.symbol: short_name(instrument.name) for instrument in table.instruments()}
    found, confirmed, asked, answered = Counter[str](), Counter[str](), 0, 0
    unconfirmed: list[str] = []
    for post in posts:
        meant = {issuer.get(symbol, symbol) for symbol in post.symbols}
        said = matcher.find(post.text, (), AT)
        for mention in said:
            found[mention.rule] += 1
            if issuer.get(mention.symbol, mention.symbol) in meant:
                confirmed[mention.rule] += 1
            else:
                unconfirmed.append(f"{mention.rule} {mention.symbol} | {post.text!r}")
        got = {issuer.get(mention.symbol, mention.symbol) for mention in said}
        wanted = decided(post, names)
        asked += len(wanted)
        answered += sum(issuer.get(symbol, symbol) in got for symbol in wanted)
    for line in random.Random(7).sample(unconfirmed, min(show, len(unconfirmed))):
        print(line)
    return {
        "posts": len(posts),
        "mentions": found.total(),
        "confirmed": round(confirmed.total() / found.total(), 4),
        "confirmed by rule": {rule: [number, round(confirmed[rule] / number, 4)] for rule, number in found.items()},
        "decided": asked,
        "recall": round(answered / asked, 4),
    }


def speed(table: InstrumentTable, recording: str) -> dict[str, int]:
    """Posts per CPU-second, the best of three rounds with empty caches."""
    texts = recorded(SHARED / "recordings" / recording)
    rates = []
    for _ in range(3):
        matcher, began = Matcher(table), time.process_time()
        for text in texts:
            matcher.find(text, ())
        rates.append(len(texts) / (time.process_time() - began))
    return {"posts": len(texts), "characters": sum(map(len, texts)) // len(texts), "rate": round(max(rates))}


if __name__ == "__main__":
    main()
