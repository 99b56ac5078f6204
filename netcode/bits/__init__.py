"""Floor 1: values to bits and back, least significant bit first, little-endian.

The rooms, each using only those before it:

    stream     bit streams in C, inline
    varint     byte-aligned variable-length integers and zigzag in C, inline
    quantize   numbers, angles and rotations to codes in C, inline
    arguments  Python arguments to C values
    many       arrays of integers, for the calls that take many values
    writer     BitWriter
    reader     BitReader
"""

from netcode.bits.reader import BitReader
from netcode.bits.writer import BitWriter

__all__ = ["BitReader", "BitWriter"]
