"""What lies in the topics of W0 and W1: symbols, schemas, framing."""

import struct
from typing import Any

from fastavro import parse_schema

SYMBOLS = tuple(f"S{n:03d}" for n in range(500))
IN_ID, OUT_ID, COPY_ID = 900_001, 900_002, 900_003
IN_HEAD, OUT_HEAD, COPY_HEAD = (struct.pack(">bI", 0, number) for number in (IN_ID, OUT_ID, COPY_ID))

IN_SCHEMA: dict[str, Any] = {
    "type": "record",
    "name": "W1Quote",
    "fields": [
        {"name": "source", "type": "string"},
        {"name": "symbol", "type": "string"},
        {"name": "event_time", "type": "long"},
        {"name": "ingest_time", "type": "long"},
        {"name": "price", "type": "double"},
        {"name": "size", "type": "double"},
        {"name": "bid", "type": ["null", "double"], "default": None},
        {"name": "ask", "type": ["null", "double"], "default": None},
    ],
}
OUT_SCHEMA: dict[str, Any] = {
    "type": "record",
    "name": "W1Enriched",
    "fields": [
        {"name": "source", "type": "string"},
        {"name": "symbol", "type": "string"},
        {"name": "event_time", "type": "long"},
        {"name": "ingest_time", "type": "long"},
        *({"name": name, "type": "double"} for name in ("price", "ema20", "mean20", "deviation20")),
        {"name": "count20", "type": "int"},
        {"name": "bar_start", "type": "long"},
        *({"name": name, "type": "double"} for name in ("open", "high", "low", "close", "volume")),
    ],
}
PARSED_IN, PARSED_OUT = parse_schema(IN_SCHEMA), parse_schema(OUT_SCHEMA)
