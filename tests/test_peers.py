"""What the benchmarks compare with does the work: every peer gives back what went in."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

BENCHMARKS = Path(__file__).resolve().parent.parent / "benchmarks"
WORKLOADS = ("W1", "W2", "W3", "W5")
PEERS = ["netcode", "records", "BitWriter", "twin", "struct", "bitarray", "bitstruct", "bitstring"]
PEERS += ["construct", "msgspec", "msgpack", "protobuf", "cbor2", "orjson", "pickle"]
NONE = {("records", "W1"), ("records", "W2"), ("records", "W5"), ("twin", "W1"), ("twin", "W5")}
"""Where a peer has no part, by nature."""

TOLERANCE = 0.02
"""Over half of the coarsest step: 2048 units in 16 bits."""


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))


def plain(value: Any) -> Any:
    """Lists of numbers and strings, whatever a peer makes of an object."""
    if dataclasses.is_dataclass(value):
        return [plain(getattr(value, field.name)) for field in dataclasses.fields(value)]
    if hasattr(value, "DESCRIPTOR"):
        fields = [getattr(value, field.name) for field in value.DESCRIPTOR.fields]
        return [None if hasattr(v, "append") and not v else plain(v) for v in fields]
    names = getattr(type(value), "__struct_fields__", None) or getattr(value, "__slots__", ())
    if names and not isinstance(value, (list, tuple, str)):
        return [plain(getattr(value, name)) for name in names]
    if hasattr(value, "dtype") and value.dtype.names:
        rows = [list(row) for row in value.tolist()]
        for row in rows:
            row[4] = row[4][1] if row[4][0] else None
        return plain(rows)
    if hasattr(value, "dtype"):
        return plain(value.tolist())
    if isinstance(value, (list, tuple)) or hasattr(value, "append"):
        return [plain(item) for item in value]
    return value


def leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, list):
        yield len(value)
        for item in value:
            yield from leaves(item)
    else:
        yield value


def assert_close(found: Any, wanted: Any) -> None:
    left, right = list(leaves(found)), list(leaves(wanted))
    assert len(left) == len(right)
    for a, b in zip(left, right, strict=True):
        assert a == b or (isinstance(b, float) and abs(a - b) < TOLERANCE), (a, b)


def objects(workload: str) -> list[Any]:
    import workloads

    return {
        "W1": workloads.INPUTS,
        "W2": workloads.ENTITIES,
        "W3": [workloads.ENTITIES],
        "W5": [workloads.CHAT],
    }[workload]


def same_rotation(value: Any) -> Any:
    """Entities with the sign of a rotation settled, as q and -q are one."""
    for item in value if isinstance(value[0], list) else [value]:
        if len(item) == 12:
            q = item[3]
            item[3] = [x if max(q, key=abs) > 0 else -x for x in q]
    return value


@pytest.mark.parametrize("workload", WORKLOADS)
@pytest.mark.parametrize("peer", PEERS)
def test_round_trip(peer: str, workload: str) -> None:
    from peers import ABSENT, Missing, codec
    from peers import PEERS as KNOWN

    # What has no codec says so, and is not skipped below.
    assert list(KNOWN) == PEERS
    assert set(ABSENT) == NONE
    if (peer, workload) in NONE:
        with pytest.raises(Missing, match=f"{peer} has no codec for {workload}: .+"):
            codec(peer, workload)
        return
    try:
        found = codec(peer, workload)
    except Missing as reason:
        pytest.skip(str(reason))
    assert len(found.objects) == len(objects(workload))
    for item, wanted in zip(found.objects, objects(workload), strict=True):
        decoded = found.decode(found.encode(item))
        # A snapshot of protobuf is a message with one field, and rows of one are one.
        got = plain(decoded)
        if workload == "W3" and peer == "protobuf":
            got = got[0]
        if workload == "W2" and peer == "twin":
            got = got[0]
        assert_close(same_rotation(got), same_rotation(plain(wanted)))
    found.encode_all()
    found.decoder()()
    assert found.bytes_per_object() > 0


def test_every_way_of_w4() -> None:
    from peers import Missing
    from peers.writes import WAYS
    from workloads import W4_VALUES

    done = 0
    for writer, reader in WAYS.values():
        try:
            data = writer()()
        except (ImportError, Missing):
            continue
        assert list(reader(data)()) == W4_VALUES
        done += 1
    assert done >= 6


def test_bytes_stand_beside_time() -> None:
    pytest.importorskip("pytest_benchmark")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    command += ["--benchmark-min-rounds=1", "--benchmark-max-time=0.01"]
    command += [str(BENCHMARKS / "bench_codec.py"), "-k", "W1 and (struct or pickle or records)"]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=BENCHMARKS.parent
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for group in ("W1 encode", "W1 decode"):
        table = done.stdout.partition(f" {group} --")[2].splitlines()
        assert table[1].split() == ["peer", "ns/unit", "bytes"]
        found = {line.split()[0]: line.split()[1:] for line in table[2:7] if len(line.split()) > 2}
        assert float(found["struct"][0].replace(",", "")) > 0
        assert found["struct"][1] == "9.0"
    assert "records has no codec for W1: records are batches" in done.stdout
