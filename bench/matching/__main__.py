"""``python -m bench.matching``: precision, recall and calibration of what texts say without their cashtags, and speed.

Three kinds of text: tweets whose cashtags are taken out and kept as labels, posts of a forum that have none, and plain
posts for the speed. A mention that no cashtag confirms may still be right: a tweet about $AAPL that also names Google.
``--show N`` prints N of them of each rule for reading; what a reader found stands in ``bench/matching/readings.py``.
"""

import argparse
import json
import random
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

from bench.recordings.posts import RECORDINGS, SHARED
from infra.instruments import InstrumentTable, shipped_table
from infra.names import short_name
from streams.matching import LEAST, Matcher
from streams.rules import CONFIDENCE

from .posts import Labelled, companies, decided, forum_posts, recorded, stocknet
from .quality import THRESHOLDS, Tally, table_of
from .readings import FORUM, TWEETS

AT = 1_388_534_400_000_000  # the tweets are of 2014
ROUNDS, PART = 7, 250


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print and keep the results."""
    parser = argparse.ArgumentParser(prog="python -m bench.matching", description=__doc__)
    parser.add_argument("--show", type=int, default=0, metavar="N", help="print N unconfirmed mentions of each rule")
    parser.add_argument("--out", type=Path, default=Path("bench/results/matching.json"))
    given = parser.parse_args(arguments)
    folder = SHARED / "data" / "stocknet_tweets_2014"
    if not folder.exists():
        parser.error(f"{folder} is not there; set MOODTAPE_SHARED")
    table = shipped_table()
    tweets, recall = judge(list(stocknet(folder)), companies(folder), table)
    forum = count(forum_posts(SHARED / "data" / "wsb_raw_json"), table)
    for name, tally in (("tweet", tweets), ("forum", forum)):
        show(name, tally, given.show)
    result = {
        "tweets": {**table_of(tweets, TWEETS), **recall},
        "forum": table_of(forum, FORUM),
        "posts per second": {name: speed(table, name) for name in RECORDINGS},
    }
    print(json.dumps(result, indent=1))
    given.out.write_text(json.dumps(result, indent=1) + "\n")


def judge(posts: list[Labelled], names: dict[str, str], table: InstrumentTable) -> tuple[Tally, dict[str, object]]:
    """Mentions by rule and which of them a cashtag confirms, and the share of decided symbols that were found."""
    matcher, tally = Matcher(table), Tally()
    issuer = {instrument.symbol: short_name(instrument.name) for instrument in table.instruments()}
    surest: list[float] = []
    for post in posts:
        meant = {issuer.get(symbol, symbol) for symbol in post.symbols}
        judged = matcher.judge(post.text, (), AT)
        for mention in (*judged.mentions, *judged.unsure):
            tally.add(mention, post.text, confirmed=issuer.get(mention.symbol, mention.symbol) in meant)
        got: dict[str, float] = defaultdict(float)
        for mention in judged.mentions:
            named = issuer.get(mention.symbol, mention.symbol)
            got[named] = max(got[named], mention.confidence)
        surest += [got.get(issuer.get(symbol, symbol), 0.0) for symbol in decided(post, names)]
    recall = {str(least): round(sum(each >= least for each in surest) / len(surest), 4) for least in THRESHOLDS}
    return tally, {
        "posts": len(posts),
        "decided": len(surest),
        "recall": recall[str(LEAST)],
        "recall by least confidence": recall,
    }


def count(texts: Iterable[str], table: InstrumentTable) -> Tally:
    """Mentions by rule in texts without labels."""
    matcher, tally = Matcher(table), Tally()
    for text in texts:
        judged = matcher.judge(text, (), None, "wallstreetbets")
        for mention in (*judged.mentions, *judged.unsure):
            tally.add(mention, text, confirmed=False)
    return tally


def show(kind: str, tally: Tally, number: int) -> None:
    """Print mentions that nothing confirms, of each rule, the same ones at every run."""
    for rule in CONFIDENCE:
        # Of reposts one.
        lines = list({(symbol, text[-60:]): (symbol, text) for symbol, text in tally.unconfirmed[rule]}.values())
        for symbol, text in random.Random(7).sample(lines, min(number, len(lines))):
            print(f"{kind} {rule} {symbol} | {text[:400]!r}")


def speed(table: InstrumentTable, recording: str) -> dict[str, int]:
    """Posts per CPU-second with empty caches, of all posts and of those that name nothing: the best of each part.

    A part is short, so that on a busy machine the best of its rounds is one that nothing else disturbed.
    """
    texts = recorded(SHARED / "recordings" / recording)
    matcher = Matcher(table)
    plain = [text for text in texts if not any(matcher.judge(text, ()))]
    return {
        "posts": len(texts),
        "characters": sum(map(len, texts)) // len(texts),
        "rate": _rate(table, texts),
        "plain posts": len(plain),
        "plain rate": _rate(table, plain),
    }


def _rate(table: InstrumentTable, texts: Sequence[str]) -> int:
    best: dict[int, float] = defaultdict(lambda: float("inf"))
    for _ in range(ROUNDS):
        matcher = Matcher(table)
        for start in range(0, len(texts), PART):
            began = time.process_time()
            for text in texts[start : start + PART]:
                matcher.find(text, ())
            best[start] = min(best[start], time.process_time() - began)
    return round(len(texts) / sum(best.values()))


if __name__ == "__main__":
    main()
