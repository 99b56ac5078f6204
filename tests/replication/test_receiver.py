"""The client's side: hostile frames, odd orders, and the bytes of its answers."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle.delta import Row, decoded_frame, encode
from oracle.lanes import lane_schema

from netcode.replication import (
    FRAME_DECODED,
    FRAME_MISSING,
    FRAME_SECTION,
    FRAME_TICK,
    Receiver,
    Sender,
    Table,
)

FIELDS = [[10], [10, 3]]
SCHEMA = lane_schema(FIELDS, [1000, 1023, 5])
CAPACITY = 40


def receiver() -> Receiver:
    return Receiver([(SCHEMA, CAPACITY)])


def tick_frame(tick: int, count: int, flags: int = 0) -> bytes:
    number = b""
    while tick >= 0x80:
        number += bytes([tick & 0x7F | 0x80])
        tick >>= 7
    return bytes([count, flags]) + number + bytes([tick])


def section(tick: int, index: int, slot: int, code: int = 1) -> bytes:
    return encode(FIELDS, CAPACITY, [slot], {slot: Row(1, None, (code, 2, 3))}, tick, index=index)


@settings(deadline=None)
@given(
    start=st.integers(20, 200_000),
    ticks=st.lists(
        st.tuples(
            st.integers(0, 30), st.integers(0, 12), st.booleans(), st.sets(st.integers(0, 11))
        ),
        max_size=10,
    ),
)
def test_acknowledgements_against_the_oracle(start: int, ticks: Any) -> None:
    target = receiver()
    counts: dict[int, int] = {}
    got: dict[int, set[int]] = {}
    assert target.on_frame(FRAME_TICK, tick_frame(start, 0))
    newest = start
    for ahead, count, announced, indexes in ticks:
        tick = newest + ahead
        if tick not in counts and announced:
            known = {i for i in got.get(tick, ()) if i >= count}
            assert target.on_frame(FRAME_TICK, tick_frame(tick, count)) == (
                (not known and tick not in counts) or tick == start
            )
            if not known and tick != start:
                counts[tick] = count
            newest = max(newest, tick) if not known else newest
        for index in sorted(indexes):
            if tick == start or (tick in counts and index >= counts[tick]):
                continue
            assert target.on_frame(FRAME_SECTION, section(tick, index, index))
            got.setdefault(tick, set()).add(index)
            newest = max(newest, tick)
        expected = decoded_frame(newest, counts, got)
        frames = target.frames()
        if any(got.get(newest - i) for i in range(16)):
            assert frames[0] == (FRAME_DECODED, expected)
        complete = [
            each
            for each in {*counts, start}
            if len(got.get(each, ())) == counts.get(each, 0) and each > newest - 64
        ]
        assert target.complete_ticks == sorted(complete)


def test_acknowledgements_are_repeated_for_16_ticks_and_older_ones_given_once() -> None:
    target = receiver()
    target.on_frame(FRAME_TICK, tick_frame(100, 1))
    target.on_frame(FRAME_SECTION, section(100, 0, 1))
    for tick in range(100, 116):
        target.on_frame(FRAME_TICK, tick_frame(tick, 0))
        assert target.frames() == [
            (FRAME_DECODED, bytes([tick, 0]) + (1 << tick - 100).to_bytes(2, "little") + b"\0")
        ]
    target.on_frame(FRAME_TICK, tick_frame(116, 0))
    assert target.frames() == []
    # A stall: fifty ticks arrive between two calls; each is acknowledged.
    for tick in range(117, 167):
        target.on_frame(FRAME_TICK, tick_frame(tick, 1))
        target.on_frame(FRAME_SECTION, section(tick, 0, 1, tick))
    frames = target.frames()
    named = {
        int.from_bytes(data[:2], "little") - i
        for _, data in frames
        for i in range(16)
        if data[2] | data[3] << 8 & 0xFFFF
        if (data[2] | data[3] << 8) >> i & 1
    }
    assert named == set(range(117, 167))
    assert len(target.frames()) == 1


def test_late_doubled_and_early_frames_are_harmless() -> None:
    target = receiver()
    assert target.on_frame(FRAME_SECTION, section(100, 0, 1))  # its tick is not known yet
    assert target.on_frame(FRAME_TICK, tick_frame(100, 1))
    assert target.on_frame(FRAME_TICK, tick_frame(100, 1))
    for _ in range(2):
        assert target.on_frame(FRAME_SECTION, section(100, 0, 1))
    assert target.on_frame(FRAME_TICK, tick_frame(36, 1))
    assert target.on_frame(FRAME_SECTION, section(36, 0, 1))
    assert target.counters == {
        "section_early": 1,
        "tick_doubled": 1,
        "section_doubled": 1,
        "tick_late": 1,
        "section_late": 1,
    }
    assert target.complete == 100


def test_an_older_tick_may_become_complete_after_a_newer_one() -> None:
    target = receiver()
    target.on_frame(FRAME_TICK, tick_frame(10, 1))
    target.on_frame(FRAME_TICK, tick_frame(11, 1))
    target.on_frame(FRAME_SECTION, section(11, 0, 5, 11))
    assert target.complete_ticks == [11]
    target.on_frame(FRAME_SECTION, section(10, 0, 5, 10))
    assert target.complete_ticks == [10, 11]
    assert target.complete == 11
    assert target.worlds[0].at(10).columns["f0"][5] == 10
    assert target.worlds[0].columns["f0"][5] == 11
    assert target.complete_around(10) == (10, 11)
    assert target.complete_around(9) == (-1, 10)
    assert target.complete_around(11) == (11, -1)


def test_a_partial_tick_is_not_complete() -> None:
    target = receiver()
    target.on_frame(FRAME_TICK, tick_frame(10, 1, 1))
    target.on_frame(FRAME_SECTION, section(10, 0, 5))
    assert target.complete == -1
    with pytest.raises(KeyError):
        target.world_hash(10)
    assert target.frames()[0] == (FRAME_DECODED, bytes([10, 0, 1, 0, 0]))


def test_missing_is_answered() -> None:
    target = receiver()
    target.on_frame(FRAME_TICK, tick_frame(300, 2))
    base = {3: Row(1, None, (0, 0, 0))}
    for index in (0, 1):
        data = encode(
            FIELDS, CAPACITY, [3], {3: Row(1, None, (1, 0, 0))}, 300, base, 290, index=index
        )
        assert target.on_frame(FRAME_SECTION, data)
    assert target.frames() == [(FRAME_MISSING, bytes([44, 1, 0, 44, 1, 1]))]
    assert target.frames() == []
    assert target.counters == {"baseline_missing": 2}
    assert len(target.worlds[0]) == 0


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        (FRAME_TICK, b""),
        (FRAME_TICK, b"\0\0"),
        (FRAME_TICK, tick_frame(5, 0, 2)),
        (FRAME_TICK, tick_frame(2**31, 0)),
        (FRAME_TICK, tick_frame(2**63, 0)),
        (FRAME_TICK, tick_frame(5, 0) + b"\0"),
        (FRAME_TICK, b"\0\0\x85\0"),  # a longer form of 5
        (FRAME_TICK, b"\0\0\x85"),
        (FRAME_SECTION, b""),
        (FRAME_SECTION, b"\1\0\0\0\0\0"),
        (FRAME_SECTION, section(100, 1, 0)),  # one section was announced
        (FRAME_DECODED, b""),
        (0, b""),
    ],
)
def test_malformed_frames(kind: int, data: bytes) -> None:
    target = receiver()
    assert target.on_frame(FRAME_TICK, tick_frame(100, 1))
    assert not target.on_frame(kind, data)
    assert sum(target.counters.values()) == 1
    assert target.on_frame(FRAME_SECTION, section(100, 0, 7))
    assert target.complete == 100


def test_an_announcement_below_what_came_is_malformed() -> None:
    target = receiver()
    target.on_frame(FRAME_TICK, tick_frame(100, 0))
    target.on_frame(FRAME_SECTION, section(101, 3, 7))
    assert not target.on_frame(FRAME_TICK, tick_frame(101, 3))
    assert target.on_frame(FRAME_TICK, tick_frame(101, 4))


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 2**32 - 1))
def test_damaged_streams_never_raise(seed: int) -> None:
    """A session in which frames are flipped, cut and made up, both ways."""
    random_ = random.Random(seed)
    tables: list[Any] = [Table(SCHEMA, CAPACITY), Table(lane_schema([[32], [], [1]]), 3)]
    sender = Sender(tables)
    sender.add(0)
    target = Receiver([(table.schema, table.capacity) for table in tables])

    def damage(frame: tuple[int, bytes]) -> tuple[int, bytes]:
        kind, data = frame
        choice = random_.random()
        if choice < 0.5 or not data:
            return frame
        if choice < 0.7:
            flipped = bytearray(data)
            flipped[random_.randrange(len(data))] ^= 1 << random_.randrange(8)
            return kind, bytes(flipped)
        if choice < 0.85:
            return kind, data[: random_.randrange(len(data))]
        return random_.randint(0x40, 0x44), random_.randbytes(random_.randint(0, 60))

    for tick in range(80):
        for table in tables:
            if len(table) < table.capacity and random_.random() < 0.5:
                table.spawn()
            elif len(table) and random_.random() < 0.2:
                table.despawn(random_.choice(table.ids.tolist()))
            table.f0[:, 0] = random_.randint(0, 1000)
        sender.commit(tick)
        for frame in sender.frames(0):
            target.on_frame(*damage(frame))
        for frame in target.frames():
            sender.on_frame(0, *damage(frame))
        for world in target.worlds:
            assert len(world) <= world.capacity
        for each in target.complete_ticks:
            target.world_hash(each)
        target.worlds[0].changes()
        target.worlds[0].bracket(tick - 2.5)
