"""Byte-aligned fields of hellos, message headers and input frames."""

from __future__ import annotations

import struct
from typing import Final

from netcode.errors import DecodeError

__all__ = ["OctetReader", "put_text", "put_varint"]

MAX_VARINT: Final = (1 << 64) - 1


def put_varint(value: int) -> bytes:
    """LEB128 of 0 to 2**64 - 1."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def put_text(text: str, limit: int) -> bytes:
    """Size and UTF-8 of ``text``, cut at a character to at most ``limit`` bytes."""
    data = text.encode("utf-8", "replace")
    if len(data) > limit:
        data = data[:limit].decode("utf-8", "ignore").encode()
    return put_varint(len(data)) + data


class OctetReader:
    """Takes fields from the front of ``data``; every method raises DecodeError when it cannot."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.offset = 0

    def fail(self, what: str) -> DecodeError:
        return DecodeError(f"{what} at byte {self.offset}", bit=self.offset * 8)

    def byte(self) -> int:
        if self.offset >= len(self.data):
            raise self.fail("the data ends")
        self.offset += 1
        return self.data[self.offset - 1]

    def varint(self, limit: int = MAX_VARINT) -> int:
        """A canonical LEB128 number of at most ``limit``."""
        value = shift = 0
        while True:
            byte = self.byte()
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                break
            shift += 7
            if shift > 63:
                raise self.fail("a number is too long")
        if (byte == 0 and shift) or value > limit:
            raise self.fail(f"a number is not canonical or over {limit}")
        return value

    def take(self, size: int) -> bytes:
        if size > len(self.data) - self.offset:
            raise self.fail("the data ends")
        self.offset += size
        return self.data[self.offset - size : self.offset]

    def text(self, limit: int) -> str:
        """UTF-8 of at most ``limit`` bytes."""
        try:
            return self.take(self.varint(limit)).decode()
        except UnicodeDecodeError:
            raise self.fail("text is not UTF-8") from None

    def u64(self) -> int:
        return int.from_bytes(self.take(8), "little")

    def f64(self) -> float:
        value: float = struct.unpack("<d", self.take(8))[0]
        return value

    def rest(self) -> bytes:
        return self.take(len(self.data) - self.offset)

    def end(self) -> None:
        """Raises DecodeError unless everything was taken."""
        if self.offset != len(self.data):
            raise self.fail(f"{len(self.data) - self.offset} bytes too many")
