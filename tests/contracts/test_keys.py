"""Where a key goes: the partition that Java's client gives it, everywhere."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.records import Gap, Mention, RawPost, RawQuote
from schemas.topics import PARTITIONS, TOPICS, murmur2, partition_of

# Printed by org.apache.kafka.clients.producer.internals.BuiltInPartitioner.partitionForKey (kafka-clients 4.4.0)
# of the key's UTF-8 bytes and 12 partitions.
JAVA = {
    "TSLA": 11,
    "AAPL": 9,
    "GME": 10,
    "BRK-B": 6,
    "^GSPC": 4,
    "005930.KS": 10,
    "BTC-USD": 9,
    "EURUSD=X": 8,
    "GC=F": 9,
    "0P0000XTS7": 2,
    "x:1": 1,
    "x:418157151946035200": 9,
    "reddit:k49281": 0,
    "bluesky:at://did:plc:abc/app.bsky.feed.post/3k": 5,
    "simulator:1-0-13": 8,
    "yahoo": 9,
    "Ünicøde": 0,
    "株式:トヨタ": 8,
    "🚀": 1,
    "": 9,
    "a": 4,
    "ab": 2,
    "abc": 3,
}
# Known answers of org.apache.kafka.common.utils.Utils.murmur2 in Kafka's own tests.
MURMUR2 = {
    b"21": -973932308,
    b"foobar": -790332482,
    b"a-little-bit-long-string": -985981536,
    b"a-little-bit-longer-string": -1486304829,
    b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
    b"abc": 479470107,
}


@pytest.mark.parametrize("key", JAVA)
def test_a_key_goes_where_javas_client_puts_it(key: str) -> None:
    """Our partition of a key is the one that Java's client printed."""
    assert partition_of(key) == JAVA[key]


@pytest.mark.parametrize("data", MURMUR2)
def test_the_hash_is_kafkas(data: bytes) -> None:
    """murmur2 gives Kafka's own known answers, as unsigned numbers."""
    assert murmur2(data) == MURMUR2[data] % 2**32


@given(st.text())
def test_every_key_has_a_partition(key: str) -> None:
    """Any text has a partition from 0 to 11, always the same."""
    assert 0 <= partition_of(key) < PARTITIONS
    assert partition_of(key) == partition_of(key)


def test_keys_are_what_the_contract_says() -> None:
    """Prices, moods and all about one instrument are keyed by its symbol, posts by source and id, gaps by source."""
    quote = RawQuote(source="yahoo", symbol="BRK-B", event_time=0)
    post = RawPost(source="x", post_id="1", event_time=0)
    mention = Mention(symbol="TSLA", source="x", post_id="1", event_time=0)
    assert TOPICS["raw.quotes.v1"].key(quote) == "BRK-B"
    assert TOPICS["raw.posts.v1"].key(post) == TOPICS["posts.v1"].key(post) == "x:1"
    assert TOPICS["mentions.v1"].key(mention) == "TSLA"
    assert TOPICS["gaps.v1"].key(Gap(source="x", event_time=0)) == "x"
