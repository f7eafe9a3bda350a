"""Records read by their layout: one comparison and one ``struct`` in place of a walk through the bytes.

Two Avro records have the same layout when the bytes that say where everything is are the same: lengths of texts and
arrays, branches of unions, enums, booleans, and the top bits of varints. A layout is a mask over these bits, what
they are, and a function made for it that takes the values from their fixed places. Records of prices have few
layouts, and bytes that agree with one under its mask can be read no other way; whatever agrees with none is read
plainly, and teaches its layout when records of its length keep coming.
"""

from collections import Counter
from collections.abc import Callable
from functools import cache
from struct import Struct
from typing import Any

from .binary import read_long
from .quick import open_twin

# The bits that are the layout's, what they must be, and how to read bytes that have them.
Layout = tuple[int, int, Callable[[bytes], Any]]
LEARN_AFTER = 3
MOST_OF_A_LENGTH = 16
MOST = 1024
_EIGHT = 8


class Layouts:
    """The layouts met so far of one schema.

    Attributes:
        of_length: known layouts by the length of the record, frame included.
    """

    def __init__(self, schema: Any, kind: type, nested: dict[str, type], begin: int) -> None:
        """Begin without any.

        Args:
            schema: of the record, without logical types; arrays and maps of anything but scalars are not for this.
            kind: class of the record.
            nested: classes of the records in it by name.
            begin: length of the frame before it.
        """
        self._schema, self._kind, self._nested, self._begin = schema, kind, nested, begin
        self._missed: Counter[int] = Counter()
        self._count = 0
        self.of_length: dict[int, list[Layout]] = {}

    def notice(self, value: bytes) -> None:
        """A record was read without error that agrees with no layout."""
        size = len(value)
        self._missed[size] += 1
        if self._missed[size] % LEARN_AFTER or self._count >= MOST:
            return
        known = self.of_length.setdefault(size, [])
        if len(known) < MOST_OF_A_LENGTH:
            known.append(_Plan(value, self._begin, self._nested).layout(self._schema, self._kind))
            self._count += 1


class _Plan:
    """The layout of one record under construction: what is at each place from its beginning on."""

    def __init__(self, value: bytes, begin: int, nested: dict[str, type]) -> None:
        self._value, self._nested = value, nested
        self._mask = bytearray(len(value))
        self._format, self._taken = "<", list[str]()
        self._names: dict[str, Any] = {}
        self._lines: list[str] = []
        self._at = 0
        self._fix(begin)

    def layout(self, schema: Any, kind: type) -> Layout:
        self._record(schema, kind, "r")
        names = {**self._names, "unpack": Struct(self._format).unpack}
        taken = f"{', '.join(self._taken)}{',' if len(self._taken) == 1 else ''}"
        lines = [f"{taken} = unpack(data)" if taken else "", *self._lines, "return r"]
        text = "\n    ".join(["def run(data):", *lines])
        exec(compile(text, "<avro>", "exec"), names)  # noqa: S102  # source made from our own schemas alone
        mask = int.from_bytes(self._mask, "little")
        return mask, int.from_bytes(self._value, "little") & mask, names["run"]

    def _record(self, schema: Any, kind: type, target: str) -> None:
        self._lines.append(f"{target} = {self._name(open_twin(kind))}()")
        for field in schema["fields"]:
            self._lines.append(f"{target}.{field['name']} = {self._expression(field['type'])}")
        self._lines.append(f"{target}.__class__ = {self._name(kind)}")

    def _expression(self, schema: Any) -> str:
        """What gives the value here; goes on behind it."""
        if isinstance(schema, list):
            return self._expression(schema[1]) if self._fixed_long() else "None"
        kind = schema if isinstance(schema, str) else schema["type"]
        if kind == "record":
            target = f"r{len(self._names)}"
            self._record(schema, self._nested[schema["name"].rpartition(".")[2]], target)
            return target
        if kind == "array":
            return self._array(schema["items"])
        if kind == "enum":
            return repr(schema["symbols"][self._fixed_long()])
        if kind == "boolean":
            return repr(self._fix(1) == b"\1")
        if kind == "double":
            return self._take("d", _EIGHT)
        if kind == "string":
            size = self._fixed_long()
            return f"{self._take(f'{size}s', size)}.decode()"
        return self._long()

    def _array(self, items: Any) -> str:
        found = []
        while count := self._fixed_long():
            if count < 0:  # a block with its size in bytes
                self._fixed_long()
            found += [self._expression(items) for _ in range(abs(count))]
        return f"({', '.join(found)},)" if found else "()"

    def _long(self) -> str:
        """A varint: how long it is and its sign belong to the layout."""
        number, end = read_long(self._value, self._at)
        size = end - self._at
        self._mask[self._at : end] = b"\x80" * size
        self._mask[self._at] |= 1
        if size == _EIGHT:  # present-day microseconds
            low, middle, high = (self._take(code, width) for code, width in (("H", 2), ("H", 2), ("I", 4)))
            self._names.update(zip(("low", "middle", "high"), _tables(), strict=True))
            half = f"low[{low}] + middle[{middle}] + high[{high}]"
        else:
            parts = [f"({self._take('B', 1)} & 127) << {7 * place}" for place in range(size)]
            half = f"({' | '.join(parts)}) >> 1"
        return half if number >= 0 else f"~({half})"

    def _fixed_long(self) -> int:
        number, end = read_long(self._value, self._at)
        self._fix(end - self._at)
        return number

    def _fix(self, size: int) -> bytes:
        """Bytes that are the same in every record of the layout."""
        begin, self._at = self._at, self._at + size
        self._mask[begin : self._at] = b"\xff" * size
        self._format += f"{size}x"
        return self._value[begin : self._at]

    def _take(self, code: str, size: int) -> str:
        """Name of a value that differs from record to record."""
        self._at += size
        self._format += code
        self._taken.append(f"v{len(self._taken)}")
        return self._taken[-1]

    def _name(self, value: Any) -> str:
        name = f"n{len(self._names)}"
        self._names[name] = value
        return name


class _HighHalves(dict[int, int]):
    """Of a varint of eight bytes the last four, as a number of four bytes, to what they add; never many."""

    def __missing__(self, key: int) -> int:
        if len(self) > 1 << 16:
            self.clear()
        bits = sum((key >> 8 * place & 127) << 7 * place for place in range(4))
        value = self[key] = bits << 27
        return value


@cache
def _tables() -> tuple[list[int], list[int], dict[int, int]]:
    """What the first two, the next two and the last four bytes of a varint add to half of its number."""
    low = [(high & 127) << 6 | (low & 127) >> 1 for high in range(256) for low in range(256)]
    middle = [((high & 127) << 7 | low & 127) << 13 for high in range(256) for low in range(256)]
    return low, middle, _HighHalves()
