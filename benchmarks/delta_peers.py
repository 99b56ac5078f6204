"""What else one might send instead of a section, each as an encode and a decode of a snapshot.

All know the schema: how many bits each lane has, and the baselines. None sends a header, a length
or a checksum that the receiver could do without, and compressors are made once and kept.
"""

from __future__ import annotations

import itertools
import lzma
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

try:
    import zstandard
except ImportError:
    zstandard = None

__all__ = [
    "FORMS",
    "NO_ZSTD",
    "QUOTED",
    "WIDTHS",
    "Form",
    "Lanes",
    "Peer",
    "lzma_codec",
    "numpy_zlib",
    "row_bytes",
    "rows_peer",
    "zstd_codec",
]

Lanes = npt.NDArray[np.int32]
"""(lanes, entities) codes."""

NO_ZSTD = "zstandard is not installed (pip install zstandard, or the extra bench)"

WIDTHS = {"cubes": (2, 9, 9, 9, 15, 15, 14, 1), "mmo": (18, 18, 16, 10, 6, 12, 8, 11)}
"""Bits of each lane."""
MOVING = {"cubes": slice(1, 7), "mmo": slice(0, 4)}
"""Lanes that a straight line foretells."""
RAW = {
    "cubes": np.dtype([("lanes", "<i2", 8)]),
    "mmo": np.dtype("<f4, <f4, <f4, <f4, u1, <u2, u1, <u4"),
}
"""A row as the recording has it."""

QUOTED = {
    "cubes.npz": {
        "rygorous, best on acked frames": 395.4,
        "the challenge's reference": 555.2,
        "egonelbre": 513.0,
        "JodiTheTigger, made legal": 467.4,
    }
}
"""Bytes a snapshot of public encoders, measured once on the same file."""


@dataclass(frozen=True, slots=True)
class Peer:
    """``encode(t, a, b, num, den)`` and ``decode(data, a, b, num, den)``, which gives t back.

    ``a`` and ``b`` are the baselines, ``num`` and ``den`` the ticks from A to T and from B to A;
    b may be None. One that is ``timed`` does its work in C: NumPy, or a compressor.
    """

    encode: Callable[[Lanes, Lanes, Lanes | None, int, int], bytes]
    decode: Callable[[bytes, Lanes, Lanes | None, int, int], Lanes]
    timed: bool = True


@dataclass(frozen=True, slots=True)
class Form:
    """Turns a snapshot into bytes of a fixed size that a compressor likes, and back."""

    write: Callable[[Lanes, Lanes, Lanes | None, int, int], bytes]
    read: Callable[[bytes, Lanes, Lanes | None, int, int], Lanes]


def rows_peer(kind: str) -> Peer:
    """The structs as they are. The floats of a recording are gone, so codes take their place, and
    times would say nothing: sending it is a copy."""
    size, widths = RAW[kind].itemsize, WIDTHS[kind]

    def encode(t: Lanes, *_: Any) -> bytes:
        rows = np.zeros((t.shape[1], size), np.uint8)
        at = 0
        for lane, bits in zip(t, widths, strict=True):
            n = (bits + 7) // 8
            rows[:, at : at + n] = lane.view(np.uint8).reshape(-1, 4)[:, :n]
            at += n
        return rows.tobytes()

    def decode(data: bytes, a: Lanes, *_: Any) -> Lanes:
        rows = np.frombuffer(data, np.uint8).reshape(-1, size)
        out = np.zeros((*a.shape, 4), np.uint8)
        at = 0
        for lane, bits in zip(out, widths, strict=True):
            n = (bits + 7) // 8
            lane[:, :n] = rows[:, at : at + n]
            at += n
        return out.view(np.int32)[..., 0]

    return Peer(encode, decode, timed=False)


def row_bytes(kind: str) -> int:
    """Bytes of an entity, its lanes in whole bytes."""
    return sum((bits + 7) // 8 for bits in WIDTHS[kind])


def xor(kind: str) -> Form:
    """T XOR A, lane by lane, each in the smallest integers that hold it."""
    sizes = [1 if bits <= 8 else 2 if bits <= 16 else 4 for bits in WIDTHS[kind]]
    runs = []
    for size, same in itertools.groupby(range(len(sizes)), sizes.__getitem__):
        lanes = list(same)
        runs.append((slice(lanes[0], lanes[-1] + 1), len(lanes), np.dtype(f"<u{size}")))

    def write(t: Lanes, a: Lanes, *_: Any) -> bytes:
        both = t ^ a
        return b"".join(both[lanes].astype(dtype).tobytes() for lanes, _, dtype in runs)

    def read(data: bytes, a: Lanes, *_: Any) -> Lanes:
        out = a.copy()
        at = 0
        for lanes, n, dtype in runs:
            count = n * a.shape[1]
            out[lanes] ^= np.frombuffer(data, dtype, count, at).reshape(n, -1).astype(np.int32)
            at += count * dtype.itemsize
        return out

    return Form(write, read)


def planes(kind: str, *, linear: bool, masked: bool) -> Form:
    """T less A, or less what a line through B and A foretells: modulo the lane's width, signs in
    the lowest bit, and all low bytes of a lane before its high ones. Masked: a bit for each
    entity says whether anything is left, and only such entities follow."""
    widths = np.array(WIDTHS[kind], np.int32)[:, None]
    top, half = (1 << widths) - 1, 1 << (widths - 1)
    pairs = [(k, j) for k, bits in enumerate(WIDTHS[kind]) for j in range((bits + 7) // 8)]
    lane, byte = (np.array(at) for at in zip(*pairs, strict=True))
    moving = MOVING[kind]

    def foretold(a: Lanes, b: Lanes | None, num: int, den: int) -> Lanes:
        if not linear or b is None:
            return a
        out = a.copy()
        out[moving] += (a[moving] - b[moving]) * num // den
        return out

    def write(t: Lanes, a: Lanes, b: Lanes | None, num: int, den: int) -> bytes:
        delta = ((t - foretold(a, b, num, den) + half) & top) - half
        mask = b""
        if masked:
            left = delta.any(0)
            mask = np.packbits(left).tobytes()
            delta = delta[:, left]
        signed = np.ascontiguousarray(((delta << 1) ^ (delta >> 31)).astype("<i4"))
        split = signed.view(np.uint8).reshape(*signed.shape, 4)
        return mask + split[lane, :, byte].tobytes()

    def read(data: bytes, a: Lanes, b: Lanes | None, num: int, den: int) -> Lanes:
        rows: Any = slice(None)
        at, n = 0, a.shape[1]
        if masked:
            at = (n + 7) // 8
            rows = np.flatnonzero(np.unpackbits(np.frombuffer(data, np.uint8, at), count=n))
            n = len(rows)
        split = np.zeros((len(a), n, 4), np.uint8)
        split[lane, :, byte] = np.frombuffer(data, np.uint8, offset=at).reshape(len(lane), n)
        signed = split.view("<i4")[..., 0]
        out = np.array(foretold(a, b, num, den))
        out[:, rows] += (signed >> 1) ^ -(signed & 1)
        return out & top

    return Form(write, read)


FORMS: dict[str, Callable[[str], Form]] = {
    "XOR": xor,
    "delta byte planes": lambda kind: planes(kind, linear=False, masked=False),
    "linear byte planes": lambda kind: planes(kind, linear=True, masked=False),
    "mask + delta planes": lambda kind: planes(kind, linear=False, masked=True),
    "mask + linear planes": lambda kind: planes(kind, linear=True, masked=True),
}


def packed(form: Form, press: Callable[[bytes], bytes], expand: Callable[[bytes], bytes]) -> Peer:
    """A form behind a compressor."""
    write, read = form.write, form.read
    return Peer(
        lambda t, a, b, num, den: press(write(t, a, b, num, den)),
        lambda data, a, b, num, den: read(expand(data), a, b, num, den),
    )


def zstd_codec(form: Form, level: int, size: int, dictionary: bytes = b"") -> Peer:
    """A form behind zstd, tuned for about ``size`` bytes and without magic, size and checksum."""
    magicless = zstandard.FORMAT_ZSTD1_MAGICLESS
    parameters = zstandard.ZstdCompressionParameters.from_level(
        level, source_size=size, dict_size=len(dictionary), format=magicless,
        write_content_size=0, write_checksum=0, write_dict_id=0,
    )  # fmt: skip
    words = zstandard.ZstdCompressionDict(dictionary) if dictionary else None
    if words is not None:
        words.precompute_compress(compression_params=parameters)
    press = zstandard.ZstdCompressor(compression_params=parameters, dict_data=words).compress
    expand = zstandard.ZstdDecompressor(dict_data=words, format=magicless).decompress
    return packed(form, press, lambda data: expand(data, max_output_size=1 << 20))


def lzma_codec(form: Form) -> Peer:
    # the filters are agreed, so no header; the window need not be larger than a snapshot
    filters = [{"id": lzma.FILTER_LZMA1, "preset": 9, "dict_size": 1 << 17}]
    return packed(
        form,
        lambda data: lzma.compress(data, lzma.FORMAT_RAW, filters=filters),
        lambda data: lzma.decompress(data, lzma.FORMAT_RAW, filters=filters),
    )


def numpy_zlib(form: Form) -> Peer:
    """What a NumPy user writes in an evening."""
    return packed(form, lambda data: zlib.compress(data, 6), zlib.decompress)
