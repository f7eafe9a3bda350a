"""The compiled codec and fastavro are the same codec."""

import io
from typing import Any

import fastavro
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.binary import read_long, write_long
from schemas.codec import Codec, DecodeError, codec_for, to_dict
from schemas.layouts import LEARN_AFTER
from schemas.records import RawQuote
from schemas.registry import REGISTRY
from schemas.topics import BARS, CORRELATIONS, QUOTES, RAW_QUOTES, TOPICS


def values(schema: Any) -> st.SearchStrategy[Any]:
    """Values of a schema as the records hold them."""
    if isinstance(schema, list):
        return st.none() | values(schema[1])
    kind = schema if isinstance(schema, str) else schema["type"]
    if kind == "record":
        return st.fixed_dictionaries({f["name"]: values(f["type"]) for f in schema["fields"]})
    if kind == "array":
        return st.lists(values(schema["items"]), max_size=4)
    if kind == "map":
        return st.dictionaries(st.text(max_size=5), values(schema["values"]), max_size=4)
    if kind == "enum":
        return st.sampled_from(schema["symbols"])
    return SCALARS[kind]


SCALARS: dict[str, st.SearchStrategy[Any]] = {
    "string": st.text(max_size=100),
    "int": st.integers(-(2**31), 2**31 - 1),
    "long": st.integers(-(2**63), 2**63 - 1) | st.integers(1_600_000_000_000_000, 1_800_000_000_000_000),
    "double": st.floats(allow_nan=False),
    "boolean": st.booleans(),
}


@pytest.mark.parametrize("topic", TOPICS)
@given(data=st.data())
def test_bytes_equal_those_of_fastavro(topic: str, data: st.DataObject) -> None:
    """A record's bytes are fastavro's bytes, and are read back to the same record."""
    schema = plain(REGISTRY.versions(TOPICS[topic].subject)[-1].schema)
    codec = codec_for(topic)
    record = codec._from_dict(data.draw(values(schema)))
    out = io.BytesIO()
    fastavro.schemaless_writer(out, fastavro.parse_schema(schema), to_dict(record))
    framed = codec.encode(record)
    assert framed[5:] == out.getvalue()
    assert codec.decode(framed) == record


def plain(schema: Any) -> Any:
    """The schema without logical types, so that fastavro takes and gives integers."""
    if isinstance(schema, dict):
        return {k: plain(v) for k, v in schema.items() if k != "logicalType"}
    if isinstance(schema, list):
        return [plain(item) for item in schema]
    return schema


@pytest.mark.parametrize("topic", TOPICS)
@given(body=st.binary(max_size=200))
def test_any_bytes_give_a_record_or_a_decode_error(topic: str, body: bytes) -> None:
    """Decoding raises nothing but DecodeError, whatever the bytes."""
    codec = codec_for(topic)
    for value in (body, codec._header + body):
        try:
            codec.decode(value)
        except DecodeError:
            continue


@pytest.mark.parametrize("topic", [RAW_QUOTES, QUOTES, BARS, CORRELATIONS])
@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_records_read_by_their_layout_are_those_read_plainly(topic: str, data: st.DataObject) -> None:
    """Once a layout is known, bytes that differ from it in any bit give the record or the refusal as before."""
    schema = plain(REGISTRY.versions(TOPICS[topic].subject)[-1].schema)
    taught, untaught = Codec(topic), Codec(topic)
    untaught._laid_out = False
    framed = taught.encode(taught._from_dict(data.draw(values(schema))))
    for _ in range(LEARN_AFTER):
        taught.decode(framed)
    assert taught._of_length, "the layout is known"
    for bit in range(8 * len(framed)):
        changed = (int.from_bytes(framed, "little") ^ 1 << bit).to_bytes(len(framed), "little")
        assert outcome(taught, changed) == outcome(untaught, changed)
    assert outcome(taught, framed) == outcome(untaught, framed)


@given(data=st.data())
def test_a_quote_takes_over_the_bytes_of_its_raw_quote(data: st.DataObject) -> None:
    """A quote made of a raw quote's bytes is the quote encoded whole, whatever came before."""
    schema = plain(REGISTRY.versions(TOPICS[QUOTES].subject)[-1].schema)
    raws, quotes = codec_for(RAW_QUOTES), codec_for(QUOTES)
    assert quotes._base is not None
    record = data.draw(values(schema))
    quote = quotes._from_dict(dict(record))
    raw = raws._from_dict({name: record[name] for name in RawQuote.__slots__})
    more = quote.revision, quote.flags
    assert quotes.extended(raw, more) == quote
    for _ in range(2):
        assert quotes.extend(raws.encode(raw), raw, more) == quotes.encode(quote)
    for other in (None, b"", b"\0\0\0\0\1of another schema"):
        assert quotes.extend(other, raw, more) == quotes.encode(quote)


def outcome(codec: Codec, value: bytes) -> str:
    """The record as text, not-a-number included, or that it was refused."""
    try:
        return repr(codec.decode(value))
    except DecodeError:
        return "refused"


@given(st.integers(-(2**63), 2**63 - 1))
def test_longs_round_trip(number: int) -> None:
    """Every 64-bit integer is written as a varint and read back."""
    out = bytearray()
    write_long(out, number)
    assert read_long(bytes(out), 0) == (number, len(out))


def test_longs_beyond_64_bits_are_refused() -> None:
    """A number that no other reader could hold is not written."""
    with pytest.raises(OverflowError):
        write_long(bytearray(), 2**63)
