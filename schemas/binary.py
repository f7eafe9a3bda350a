"""The primitives of Avro's binary encoding, as functions on a buffer or on bytes and a position."""

import struct
from collections.abc import Callable
from typing import Any

DOUBLE = struct.Struct("<d")
_EIGHT_BYTES = 0x8080808080808080
_EIGHT_BYTE_VARINT = 0x0080808080808080


def write_long(out: bytearray, value: int) -> None:
    """Append a zigzag varint.

    Raises:
        OverflowError: outside of 64 bits.
    """
    if 0 <= value < 64:
        out.append(value << 1)
        return
    n = value << 1 if value >= 0 else (-value << 1) - 1
    if n >> 49 and not n >> 56:  # present-day microseconds
        n = n & 0x000000000FFFFFFF | (n & 0x00FFFFFFF0000000) << 4
        n = n & 0x00003FFF00003FFF | (n & 0x0FFFC0000FFFC000) << 2
        n = n & 0x007F007F007F007F | (n & 0x3F803F803F803F80) << 1
        out += (n | _EIGHT_BYTE_VARINT).to_bytes(8, "little")
        return
    if n >> 64:
        raise OverflowError(f"{value} is not a long")
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
        if shift > 63:
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
    return DOUBLE.unpack_from(data, at)[0], at + 8


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
