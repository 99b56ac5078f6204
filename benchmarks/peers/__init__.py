"""What a Python user would pick instead, each as an encode and a decode of the workloads.

An object goes in and bytes come out, and the other way: whatever the peer needs in between, as
quantising floats in Python before packing them, is part of its time, because its users pay it.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["ABSENT", "OBJECT_WORKLOADS", "PEERS", "Codec", "Missing", "codec"]

OBJECT_WORKLOADS = ("W1", "W2", "W3", "W5")
"""Those of one object or many; W4, single integers, has its ways in writes.py."""

PEERS = {
    "netcode": "ours",
    "records": "ours",
    "BitWriter": "ours",
    "twin": "native",
    "struct": "struct_codec",
    "bitarray": "bitarray_codec",
    "bitstruct": "bitstruct_codec",
    "bitstring": "bitstring_codec",
    "construct": "construct_codec",
    "msgspec": "general",
    "msgpack": "general",
    "protobuf": "general",
    "cbor2": "general",
    "orjson": "general",
    "pickle": "general",
}
"""Name of each peer, and the module here that knows it."""

BATCHES = "records are batches of rows, which is W3"
ABSENT = {
    ("records", "W1"): BATCHES,
    ("records", "W2"): BATCHES,
    ("records", "W5"): BATCHES,
    ("twin", "W1"): "the C twin is of W2 and W3",
    ("twin", "W5"): "the C twin is of W2 and W3",
}
"""Why a peer has no codec for a workload. All others have one."""


class Missing(Exception):
    """The peer is not installed, or has no codec for the workload; the message says which."""


@dataclass(frozen=True, slots=True)
class Codec:
    """``encode`` and ``decode`` for each of ``objects``, in the form that the peer works with."""

    objects: Sequence[Any]
    encode: Callable[[Any], bytes]
    decode: Callable[[bytes], Any]

    def encode_all(self) -> None:
        encode = self.encode
        for item in self.objects:
            encode(item)

    def decoder(self) -> Callable[[], None]:
        """Decodes every object once; the bytes are made here, outside the measurement."""
        messages = [self.encode(item) for item in self.objects]
        decode = self.decode

        def decode_all() -> None:
            for message in messages:
                decode(message)

        return decode_all

    def bytes_per_object(self) -> float:
        return sum(len(self.encode(item)) for item in self.objects) / len(self.objects)


def codec(peer: str, workload: str) -> Codec:
    """The codec of one peer for one workload; raises Missing."""
    if (peer, workload) in ABSENT:
        raise Missing(f"{peer} has no codec for {workload}: {ABSENT[peer, workload]}")
    module = importlib.import_module(f"peers.{PEERS[peer]}")
    make = getattr(module, f"{peer.lower()}_{workload.lower()}")
    try:
        result = make()
    except ImportError as error:
        raise Missing(f"{peer} is not installed: {error}") from error
    assert isinstance(result, Codec)
    return result
