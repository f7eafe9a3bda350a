"""Avro readers and writers compiled from a schema: plain Python, one straight function a schema.

fastavro finds the branch of every union by validation and goes through a dictionary; for our flat records,
mostly of optional doubles, code made for the schema costs a third of that. It covers what our schemas use
(string, int, long, double, boolean, enum, array, map, record, and unions with null first) and is held equal to
fastavro, byte for byte, by a property test. Anything else, older writer schemas too, goes through fastavro.
"""

import struct
from collections.abc import Callable
from typing import Any

_DOUBLE = struct.Struct("<d")
_EIGHT_BYTES = 0x8080808080808080
_EIGHT_BYTE_VARINT = 0x0080808080808080
_UNROLLED = struct.Struct("8B")
_LONG_BITS = 63


def write_long(out: bytearray, value: int) -> None:
    """Append a zigzag varint.

    Raises:
        OverflowError: outside of 64 bits.
    """
    if not -(1 << _LONG_BITS) <= value < 1 << _LONG_BITS:
        raise OverflowError(f"{value} is not a long")
    n = value << 1 if value >= 0 else (-value << 1) - 1
    if n >> 49 and not n >> 56:  # present-day microseconds
        out += _UNROLLED.pack(
            n & 127 | 128,
            n >> 7 & 127 | 128,
            n >> 14 & 127 | 128,
            n >> 21 & 127 | 128,
            n >> 28 & 127 | 128,
            n >> 35 & 127 | 128,
            n >> 42 & 127 | 128,
            n >> 49,
        )
        return
    while n > 127:
        out.append(n & 127 | 128)
        n >>= 7
    out.append(n)


def read_long(data: bytes, at: int) -> tuple[int, int]:
    """The zigzag varint at a position, and the position after it.

    Raises:
        IndexError: the data end inside it.
        ValueError: longer than 64 bits.
    """
    n = data[at]
    if n < 128:
        return n >> 1 ^ -(n & 1), at + 1
    n = int.from_bytes(data[at : at + 8], "little")
    if n & _EIGHT_BYTES == _EIGHT_BYTE_VARINT:
        n &= 0x7F7F7F7F7F7F7F7F
        n = n & 0x007F007F007F007F | (n & 0x7F007F007F007F00) >> 1
        n = n & 0x00003FFF00003FFF | (n & 0x3FFF00003FFF0000) >> 2
        n = n & 0x000000000FFFFFFF | (n & 0x0FFFFFFF00000000) >> 4
        return n >> 1 ^ -(n & 1), at + 8
    n = shift = 0
    while True:
        byte = data[at]
        at += 1
        n |= (byte & 127) << shift
        if byte < 128:
            break
        shift += 7
        if shift > _LONG_BITS:
            raise ValueError("varint longer than 64 bits")
    return n >> 1 ^ -(n & 1), at


def write_text(out: bytearray, text: str) -> None:
    """Append a string: its length in bytes, then UTF-8."""
    data = text.encode()
    write_long(out, len(data))
    out += data


def read_text(data: bytes, at: int) -> tuple[str, int]:
    """The string at a position, and the position after it."""
    size, at = read_long(data, at)
    end = at + size
    if size < 0 or end > len(data):
        raise EOFError("a string ends outside of the data")
    return data[at:end].decode(), end


def read_double(data: bytes, at: int) -> tuple[float, int]:
    """The double at a position, and the position after it."""
    return _DOUBLE.unpack_from(data, at)[0], at + 8


def write_items(out: bytearray, items: Any, write: Callable[[Any], None]) -> None:
    """Append an array or a map as one block and the end mark."""
    if items:
        write_long(out, len(items))
        for item in items:
            write(item)
    out.append(0)


def read_items(data: bytes, at: int, read: Callable[[int], tuple[Any, int]]) -> tuple[list[Any], int]:
    """The items of an array's blocks at a position, and the position after them."""
    items: list[Any] = []
    while True:
        count, at = read_long(data, at)
        if count == 0:
            return items, at
        if count < 0:  # a block with its size in bytes
            count = -count
            _, at = read_long(data, at)
        if count > len(data) - at + 1:
            raise EOFError("an array is longer than the data")
        for _ in range(count):
            item, at = read(at)
            items.append(item)


def compile_writer(schema: Any, nested: dict[str, type]) -> Callable[[bytearray, Any], None]:
    """A function that appends a record object to a buffer."""
    return _Writer(nested).compile(schema)


def compile_reader(schema: Any, kind: type, nested: dict[str, type]) -> Callable[[bytes, int], tuple[Any, int]]:
    """A function that reads a record object at a position and gives the position after it."""
    return _Reader(nested).compile(schema, kind)


class _Source:
    """Lines of a function under construction and the values they name."""

    def __init__(self, nested: dict[str, type]) -> None:
        self.lines: list[str] = []
        self.names: dict[str, Any] = {
            "write_long": write_long,
            "write_text": write_text,
            "write_items": write_items,
            "read_long": read_long,
            "read_text": read_text,
            "read_double": read_double,
            "read_items": read_items,
            "pack": _DOUBLE.pack,
            "unpack": _DOUBLE.unpack_from,
        }
        self.nested = nested

    def name(self, value: Any) -> str:
        """A name under which the function sees a value."""
        name = f"v{len(self.names)}"
        self.names[name] = value
        return name

    def build(self, head: str) -> Any:
        """The finished function."""
        text = "\n".join([head, *("    " + line for line in self.lines)])
        scope = dict(self.names)
        exec(compile(text, "<avro>", "exec"), scope)  # noqa: S102  # source made from our own schemas alone
        return scope["run"]


class _Writer(_Source):
    def compile(self, schema: Any) -> Callable[[bytearray, Any], None]:
        for field in schema["fields"]:
            self._value(field["type"], f"r.{field['name']}")
        built: Callable[[bytearray, Any], None] = self.build("def run(out, r):")
        return built

    def _value(self, schema: Any, expression: str) -> None:
        if isinstance(schema, list):
            self._optional(schema[1], expression)
            return
        kind = schema if isinstance(schema, str) else schema["type"]
        if kind in ("array", "map"):
            self._items(schema, expression)
        elif kind == "record":
            write = self.name(_Writer(self.nested).compile(schema))
            self.lines.append(f"{write}(out, {expression})")
        elif kind == "enum":
            order = self.name({symbol: number * 2 for number, symbol in enumerate(schema["symbols"])})
            self.lines.append(f"out.append({order}[{expression}])")
        else:
            self.lines.append(_WRITE[kind].format(expression))

    def _optional(self, schema: Any, expression: str) -> None:
        inner = _Writer(self.nested)
        inner.names = self.names
        inner._value(schema, "x")
        self.lines += [f"x = {expression}", "if x is None: out.append(0)", "else:", "    out.append(2)"]
        self.lines += ["    " + line for line in inner.lines]

    def _items(self, schema: Any, expression: str) -> None:
        inner = _Writer(dict(self.nested))
        if schema["type"] == "map":
            inner.lines.append("write_text(out, r[0])")
            inner._value(schema["values"], "r[1]")
            expression += ".items()"
        else:
            inner._value(schema["items"], "r")
        write = self.name(inner.build("def run(out, r):"))
        self.lines.append(f"write_items(out, {expression}, lambda item: {write}(out, item))")


_WRITE = {
    "string": "write_text(out, {})",
    "int": "write_long(out, {})",
    "long": "write_long(out, {})",
    "double": "out += pack({})",
    "boolean": "out.append(1 if {} else 0)",
}
_READ = {
    "string": "{}, at = read_text(data, at)",
    "int": "{}, at = read_long(data, at)",
    "long": "{}, at = read_long(data, at)",
    "double": "{} = unpack(data, at)[0]; at += 8",
    "boolean": "{} = data[at] == 1; at += 1",
}


class _Reader(_Source):
    def compile(self, schema: Any, kind: type) -> Callable[[bytes, int], tuple[Any, int]]:
        arguments = []
        for field in schema["fields"]:
            local = "f_" + field["name"]
            self._value(field["type"], local, field["name"])
            arguments.append(f"{field['name']}={local}")
        self.lines.append(f"return {self.name(kind)}({', '.join(arguments)}), at")
        built: Callable[[bytes, int], tuple[Any, int]] = self.build("def run(data, at):")
        return built

    def _value(self, schema: Any, local: str, field: str) -> None:
        if isinstance(schema, list):
            self._optional(schema[1], local, field)
            return
        kind = schema if isinstance(schema, str) else schema["type"]
        if kind in ("array", "map"):
            self._items(schema, local, field)
        elif kind == "record":
            read = self.name(_Reader(self.nested).compile(schema, self.nested[schema["name"].rpartition(".")[2]]))
            self.lines.append(f"{local}, at = {read}(data, at)")
        elif kind == "enum":
            symbols = self.name(dict(enumerate(schema["symbols"])))
            self.lines += [f"{local}, at = read_long(data, at)", f"{local} = {symbols}[{local}]"]
        else:
            self.lines.append(_READ[kind].format(local))

    def _optional(self, schema: Any, local: str, field: str) -> None:
        inner = _Reader(self.nested)
        inner.names = self.names
        inner._value(schema, local, field)
        self.lines += ["branch = data[at]", "at += 1", f"if branch == 0: {local} = None", "elif branch == 2:"]
        self.lines += ["    " + line for line in inner.lines]
        self.lines += ["else:", "    raise ValueError('no such branch')"]

    def _items(self, schema: Any, local: str, field: str) -> None:
        inner = _Reader(dict(self.nested))
        if schema["type"] == "map":
            inner.lines.append("key, at = read_text(data, at)")
            inner._value(schema["values"], "item", field)
            inner.lines.append("return (key, item), at")
        else:
            inner._value(schema["items"], "item", field)
            inner.lines.append("return item, at")
        read = self.name(inner.build("def run(data, at):"))
        self.lines.append(f"{local}, at = read_items(data, at, lambda place: {read}(data, place))")
        made = "dict" if schema["type"] == "map" else "tuple"
        self.lines.append(f"{local} = {made}({local})")
