"""The wire format "serialize 1.0": the bit streams of the C++ library of that name, byte for byte.

A message is described once, by a function of a stream and an object. The same function writes
with a WriteStream, reads with a ReadStream, and with a MeasureStream says how many bits are
enough. Each operation takes the value first and returns the value to keep: the one given, or
the one read::

    def serialize_ship(stream: Stream, ship: Ship) -> None:
        ship.hp = stream.int(ship.hp, 0, 100)
        ship.x = stream.compressed_float(ship.x, 0.0, 960.0, 0.01)
        ship.name = stream.string(ship.name, 32)

Nothing on the wire describes itself: both ends make the same calls with the same operands, which
are those of the C++ macros ``serialize_int``, ``serialize_compressed_float`` and so on.

Writers raise EncodeError, with the value and the limit. Readers raise DecodeError, with the bit
offset, for whatever the standard says a reader must refuse. Operands that make no sense are
ValueErrors in all three.

The rooms, each using only those before it:

    numbers   floats and int_relative as bits, in C, inline
    operands  Python operands to C values
    write     WriteStream
    read      ReadStream
    measure   MeasureStream
"""

from typing import TypeAlias

from netcode.compat.serialize.measure import MeasureStream
from netcode.compat.serialize.read import ReadStream
from netcode.compat.serialize.write import WriteStream

__all__ = ["MeasureStream", "ReadStream", "Stream", "WriteStream"]

Stream: TypeAlias = WriteStream | ReadStream | MeasureStream
"""What a function that writes, reads and measures takes; told apart by ``is_reading`` and so on."""
