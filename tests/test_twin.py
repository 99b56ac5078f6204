"""The C twin of the benchmarks accepts, refuses and gives exactly what the library does."""

from __future__ import annotations

import random
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import netcode as nc

BENCHMARKS = Path(__file__).resolve().parent.parent / "benchmarks"


@pytest.fixture(scope="module")
def parts() -> Any:
    """The compiled twin and the Entity schema."""
    pytest.importorskip("Cython")
    pytest.importorskip("setuptools")
    sys.path.insert(0, str(BENCHMARKS))
    try:
        from native import load
        from peers import Missing
        from peers.ours import schemas

        try:
            return load("twin"), schemas()["Entity"]
        except Missing as reason:
            pytest.skip(str(reason))
    finally:
        sys.path.remove(str(BENCHMARKS))


def rows_of(schema: Any, count: int) -> Any:
    """Rows that a schema accepts: all zeros, but for the rotation."""
    rows = np.zeros(count, schema.dtype)
    rows["rotation"][:, 3] = 1
    return rows


def strange_rows(schema: Any, seed: int, count: int) -> Any:
    """Long ids, ends of ranges, rotations of many lengths and with ties."""
    r = np.random.default_rng(seed)
    rows = rows_of(schema, count)
    rows["id"] = r.integers(0, 2**32, count) >> r.integers(0, 32, count)
    rows["type"] = r.integers(0, 64, count)
    for name, ends in (("position", [1024, 1024, 128]), ("rotation", [1] * 4)):
        ends = np.array(ends, "f4")
        rows[name] = r.uniform(-ends, ends, (count, len(ends)))
        at_end = r.random((count, len(ends))) < 0.1
        rows[name][at_end] = (np.sign(rows[name]) * ends)[at_end]
    rows["rotation"][: count // 4] = np.round(rows["rotation"][: count // 4] * 3) / 3
    rows["rotation"][count // 2 :] /= np.linalg.norm(rows["rotation"][count // 2 :], axis=1)[
        :, None
    ]
    rows["rotation"][::7] *= r.choice(np.array([1e-30, 1e-3, 7, 1e30], "f4"), (count, 1))[::7]
    rows["rotation"][(rows["rotation"] == 0).all(axis=1)] = (0, 0, 0, 1)
    rows["velocity"]["present"] = r.random(count) < 0.5
    rows["velocity"]["value"] = r.uniform(-32, 32, (count, 3))
    rows["velocity"]["value"][~rows["velocity"]["present"]] = 0
    rows["hp"] = r.integers(0, 1001, count)
    for i in range(6):
        rows[f"f{i}"] = r.random(count) < 0.5
    return rows


def test_same_bytes_and_same_rows(parts: Any, seed: int) -> None:
    twin, schema = parts
    rows = strange_rows(schema, seed, 5_000)
    snapshot = schema.encode_records(rows)
    decoded = schema.decode_records(snapshot)
    made = twin.Twin(rows)
    made.encode_snapshot()
    assert made.bytes_of_snapshot == snapshot
    made.decode_snapshot()
    assert np.array_equal(np.frombuffer(made.rows_decoded, schema.dtype), decoded)
    made = twin.Twin(rows)
    made.encode_messages()
    assert made.bytes_of_messages == [schema.encode(item) for item in schema.decode_many(snapshot)]
    made.decode_messages()
    assert np.array_equal(np.frombuffer(made.rows_decoded, schema.dtype), decoded)


def test_every_code_of_a_coordinate(parts: Any) -> None:
    twin, schema = parts
    rows = rows_of(schema, 65_535)
    codes = np.arange(65_535)
    for part, (end, steps) in enumerate([(1024, 65_534), (1024, 65_534), (128, 16_382)]):
        rows["position"][:, part] = np.minimum(codes, steps) * (2 * end / steps) - end
    rows["velocity"]["present"] = True
    rows["velocity"]["value"] = (np.minimum(codes, 2_046) * (64 / 2_046) - 32)[:, None]
    snapshot = schema.encode_records(rows)
    found = np.zeros(len(rows), rows.dtype)
    assert twin.decode_many(snapshot, found) == len(rows)
    wanted = schema.decode_records(snapshot)
    assert len(np.unique(wanted["position"][:, 0])) == 65_535
    assert found.tobytes() == wanted.tobytes()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("type", 64),
        ("hp", 1001),
        ("position", (np.nextafter(np.float32(1024), np.float32(2000)), 0, 0)),
        ("position", (0, np.nextafter(np.float32(-1024), np.float32(-2000)), 0)),
        ("position", (0, 0, np.nan)),
        ("velocity", (True, (0, np.nextafter(np.float32(32), np.float32(33)), 0))),
        ("velocity", (True, (np.inf, 0, 0))),
        ("rotation", (0, 0, 0, 0)),
        ("rotation", (0, np.nan, 0, 1)),
        ("rotation", (0, -np.inf, 0, 1)),
    ],
)
def test_refuses_the_same_rows(parts: Any, field: str, value: Any) -> None:
    twin, schema = parts
    rows = rows_of(schema, 1)
    rows[field] = value
    with pytest.raises(nc.EncodeError):
        schema.encode_records(rows)
    made = twin.Twin(rows)
    with pytest.raises(ValueError, match="refused"):
        made.encode_snapshot()
    with pytest.raises(ValueError, match="refused"):
        made.encode_messages()


def library_rows(schema: Any, data: bytes) -> Any:
    try:
        return schema.decode_records(data, limit=1000)
    except nc.DecodeError:
        return None


def test_refuses_the_same_bytes(parts: Any, seed: int, rng: random.Random) -> None:
    """Truncations, bit flips and noise of snapshots and of messages."""
    twin, schema = parts
    rows = strange_rows(schema, seed, 40)
    snapshot = schema.encode_records(rows)
    cases = [snapshot[:size] for size in range(len(snapshot))] + [snapshot + b"\0"]
    for start in (rows[:1], rows[1:2], rows[2:5], rows):
        whole = schema.encode_records(start)
        for _ in range(1500):
            data = bytearray(whole)
            for _ in range(rng.choice([1, 1, 2, 8])):
                data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
            cases.append(bytes(data))
    cases += [b"\x01" + rng.randbytes(rng.randrange(30)) for _ in range(1500)]
    cases += [bytes([0x80 | 3, 0]) + snapshot[1:], b"", b"\0", b"\0\0", b"\xff" * 40]
    accepted = 0
    for data in cases:
        found = np.zeros(1000, schema.dtype)
        count = twin.decode_many(data, found)
        wanted = library_rows(schema, data)
        assert (count is None) == (wanted is None), data.hex()
        if wanted is not None:
            assert np.array_equal(found[:count], wanted), data.hex()
            accepted += 1
    assert 100 < accepted < len(cases) - 100
    for item in schema.decode_many(snapshot):
        whole = schema.encode(item)
        for _ in range(60):
            data = bytearray(whole)
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
            del data[rng.choice([len(data), rng.randrange(len(data))]) :]
            try:
                schema.decode(bytes(data))
                good = True
            except nc.DecodeError:
                good = False
            assert twin.decode(bytes(data), np.zeros(1, schema.dtype)) == good, data.hex()
