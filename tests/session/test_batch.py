"""DatagramBatch."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netcode.constants import DATAGRAM_SLOT_BYTES
from netcode.errors import ConfigError
from netcode.session import DatagramBatch

PEER = ("10.0.0.1", 40000)


@given(
    st.lists(
        st.tuples(
            st.binary(max_size=3000),
            st.tuples(st.ip_addresses().map(str), st.integers(0, 65535)),
        )
    ),
    st.booleans(),
)
def test_keeps_what_was_appended(items: list[tuple[bytes, tuple[str, int]]], slots: bool) -> None:
    if slots:
        items = [(data[:DATAGRAM_SLOT_BYTES], address) for data, address in items]
    batch = DatagramBatch(slots=len(items)) if slots else DatagramBatch()
    for _ in range(2):
        for data, address in items:
            batch.append(data, address)
        assert [data for data, _ in batch] == [data for data, _ in items]
        assert [address[1] for _, address in batch] == [address[1] for _, address in items]
        assert len(batch) == len(items)
        assert batch.nbytes == sum(len(data) for data, _ in items)
        batch.clear()
        assert list(batch) == []


def test_any_buffer_and_any_index() -> None:
    batch = DatagramBatch()
    for data in (b"one", bytearray(b"two"), memoryview(b"three"), b""):
        batch.append(data, PEER)
    assert batch[-1] == (b"", PEER)
    assert batch[1] == (b"two", PEER)
    assert repr(batch) == "<DatagramBatch of 4 datagrams, 11 bytes>"
    for index in (4, -5):
        with pytest.raises(IndexError):
            batch[index]


def test_content_outlives_the_batch() -> None:
    batch = DatagramBatch()
    batch.append(b"abc", PEER)
    data, _ = batch[0]
    batch.clear()
    batch.append(b"xyz", PEER)
    assert data == b"abc"


def test_mapped_addresses_become_v4() -> None:
    batch = DatagramBatch()
    batch.append(b"x", ("::ffff:10.0.0.1", 1))
    assert batch[0] == (b"x", ("10.0.0.1", 1))


def test_growing_while_read() -> None:
    batch = DatagramBatch()
    batch.append(b"0", PEER)
    seen = []
    for data, _ in batch:
        seen.append(data)
        if len(seen) < 1000:
            batch.append(str(len(seen)).encode(), PEER)
    assert len(seen) == 1000


def fill(batch: DatagramBatch, source: DatagramBatch) -> None:
    for data, address in source:
        batch.append(data, address)


def test_limits() -> None:
    batch = DatagramBatch(limit=4096)
    batch.append(bytes(4000), PEER)
    with pytest.raises(ConfigError, match="100 bytes do not fit"):
        batch.append(bytes(100), PEER)
    assert len(batch) == 1
    with pytest.raises(ConfigError, match="at most 65507"):
        batch.append(bytes(65_508), PEER)
    many = DatagramBatch(slots=10_000)
    for _ in range(10_000):
        many.append(b"", PEER)
    with pytest.raises(ConfigError, match="do not fit"):
        fill(batch, many)
    slots = DatagramBatch(slots=1)
    assert (slots.slots, batch.slots) == (1, 0)
    with pytest.raises(ConfigError, match=f"at most {DATAGRAM_SLOT_BYTES}"):
        slots.append(bytes(DATAGRAM_SLOT_BYTES + 1), PEER)
    slots.append(b"", PEER)
    with pytest.raises(ConfigError, match="do not fit"):
        slots.append(b"", PEER)
    for options in ({"slots": -1}, {"slots": 65_537}, {"limit": 1}, {"limit": 2**40}):
        with pytest.raises(ConfigError):
            DatagramBatch(**options)


@pytest.mark.parametrize("address", [("nowhere", 1), ("10.0.0.1", 65536), ("10.0.0.1",), "x", None])
def test_addresses_are_checked(address: object) -> None:
    with pytest.raises((ConfigError, TypeError)):
        DatagramBatch().append(b"x", address)  # type: ignore[arg-type]
