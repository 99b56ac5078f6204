"""The C twin: W2 and W3 by a C program written for this one schema, the native ceiling.

Its bytes and rows are those of the library, which is asserted before anything is measured. It works
in memory made beforehand, and one call from Python does the whole workload.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import native

from peers import Codec
from peers.ours import snapshot_records


@dataclass(frozen=True, slots=True)
class NativeCodec(Codec):
    """A codec with loops of its own, in C."""

    run_encode: Callable[[], None]
    run_decode: Callable[[], None]

    def encode_all(self) -> None:
        self.run_encode()

    def decoder(self) -> Callable[[], None]:
        self.run_encode()
        return self.run_decode


def twins() -> tuple[Any, Any, Any]:
    """The compiled module, W3 as rows, and them in the twin, found to be equal."""
    import numpy as np

    compiled = native.load("twin")
    schema, records = snapshot_records()
    snapshot = schema.encode_records(records)
    twin = compiled.Twin(records)
    twin.encode_snapshot()
    assert twin.bytes_of_snapshot == snapshot
    twin.decode_snapshot()
    assert np.array_equal(np.frombuffer(twin.rows_decoded, records.dtype), records)
    twin = compiled.Twin(records)
    twin.encode_messages()
    assert twin.bytes_of_messages == [schema.encode(item) for item in schema.decode_many(snapshot)]
    twin.decode_messages()
    assert np.array_equal(np.frombuffer(twin.rows_decoded, records.dtype), records)
    return compiled, records, twin


def row_encoder(compiled: Any) -> Callable[[Any], bytes]:
    """One row, or an array of them, to the bytes of its messages: for sizes, not for times."""

    def encode(rows: Any) -> bytes:
        one = compiled.Twin(rows)
        one.encode_messages()
        return b"".join(one.bytes_of_messages)

    return encode


def twin_w2() -> Codec:
    compiled, records, twin = twins()
    rows = [records[i : i + 1] for i in range(len(records))]

    def decode(data: bytes) -> Any:
        row = rows[0].copy()
        return row if compiled.decode(data, row) else None

    return NativeCodec(
        rows, row_encoder(compiled), decode, twin.encode_messages, twin.decode_messages
    )


def twin_w3() -> Codec:
    compiled, records, twin = twins()

    def encode(_: Any) -> bytes:
        twin.encode_snapshot()
        return bytes(twin.bytes_of_snapshot)

    def decode(data: bytes) -> Any:
        rows = records.copy()
        return None if compiled.decode_many(data, rows) is None else rows

    return NativeCodec([records], encode, decode, twin.encode_snapshot, twin.decode_snapshot)
