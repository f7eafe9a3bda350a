"""Avro readers and writers compiled from a schema: plain Python, one straight function a schema.

fastavro finds the branch of every union by validation and goes through a dictionary; for our flat records,
mostly of optional doubles, code made for the schema costs a third of that. It covers what our schemas use
(string, int, long, double, boolean, enum, array, map, record, and unions with null first) and is held equal to
fastavro, byte for byte, by a property test. Anything else, older writer schemas too, goes through fastavro.
"""

from collections.abc import Callable
from typing import Any

from .binary import DOUBLE, read_double, read_items, read_long, read_text, write_items, write_long, write_text
from .quick import open_twin


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
            "pack": DOUBLE.pack,
            "unpack": DOUBLE.unpack_from,
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
        self.lines.append(f"r = {self.name(open_twin(kind))}()")
        for field in schema["fields"]:
            self._value(field["type"], f"r.{field['name']}")
        self.lines += [f"r.__class__ = {self.name(kind)}", "return r, at"]
        built: Callable[[bytes, int], tuple[Any, int]] = self.build("def run(data, at):")
        return built

    def _value(self, schema: Any, target: str) -> None:
        if isinstance(schema, list):
            self._optional(schema[1], target)
            return
        kind = schema if isinstance(schema, str) else schema["type"]
        if kind in ("array", "map"):
            self._items(schema, target)
        elif kind == "record":
            read = self.name(_Reader(self.nested).compile(schema, self.nested[schema["name"].rpartition(".")[2]]))
            self.lines.append(f"{target}, at = {read}(data, at)")
        elif kind == "enum":
            symbols = self.name(dict(enumerate(schema["symbols"])))
            self.lines += ["number, at = read_long(data, at)", f"{target} = {symbols}[number]"]
        else:
            self.lines.append(_READ[kind].format(target))

    def _optional(self, schema: Any, target: str) -> None:
        inner = _Reader(self.nested)
        inner.names = self.names
        inner._value(schema, target)
        self.lines += ["branch = data[at]", "at += 1", f"if branch == 0: {target} = None", "elif branch == 2:"]
        self.lines += ["    " + line for line in inner.lines]
        self.lines += ["else:", "    raise ValueError('no such branch')"]

    def _items(self, schema: Any, target: str) -> None:
        inner = _Reader(dict(self.nested))
        if schema["type"] == "map":
            inner.lines.append("key, at = read_text(data, at)")
            inner._value(schema["values"], "item")
            inner.lines.append("return (key, item), at")
        else:
            inner._value(schema["items"], "item")
            inner.lines.append("return item, at")
        read = self.name(inner.build("def run(data, at):"))
        self.lines.append(f"items, at = read_items(data, at, lambda place: {read}(data, place))")
        made = "dict" if schema["type"] == "map" else "tuple"
        self.lines.append(f"{target} = {made}(items)")
