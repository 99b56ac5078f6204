"""The server's side: what is sent to whom, against which baseline, and how often it is encoded."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from oracle.delta import decode, predicted_slots
from oracle.lanes import lane_schema

from netcode.delta import SECTION_MAX_BYTES
from netcode.errors import ConfigError, EncodeError
from netcode.replication import (
    FRAME_DECODED,
    FRAME_MISSING,
    FRAME_SECTION,
    FRAME_TICK,
    Receiver,
    Sender,
    Table,
)

FIELDS = [[10], [10], [8]]
SCHEMA = lane_schema(FIELDS)


def make(capacity: int = 64, **options: Any) -> tuple[Any, Sender]:
    table: Any = Table(SCHEMA, capacity)
    return table, Sender([table], **options)


def sections(frames: list[tuple[int, bytes]]) -> list[bytes]:
    assert frames[0][0] == FRAME_TICK
    assert all(kind == FRAME_SECTION for kind, _ in frames[1:])
    assert [data[3] for _, data in frames[1:]] == list(range(len(frames) - 1))
    assert frames[0][1][0] == len(frames) - 1
    return [data for _, data in frames[1:]]


def baselines(frames: list[tuple[int, bytes]]) -> dict[int, list[int]]:
    """Baseline offset -> slots, over all sections."""
    found: dict[int, list[int]] = {}
    for data in sections(frames):
        slots = section_slots(data)
        found.setdefault(data[4] & 63, []).extend(slots)
    return found


def section_slots(data: bytes) -> list[int]:
    if data[4]:
        return predicted_slots(64, data)[2]
    return decode(FIELDS, 64, data)[2]


def pairs(frames: list[tuple[int, bytes]]) -> list[tuple[int, int, list[int]]]:
    """(tick - A, A - B or 0, slots) of each section that is not full state."""
    return [predicted_slots(64, data) for data in sections(frames) if data[4]]


def ack(tick: int, count: int) -> bytes:
    return (tick & 0xFFFF).to_bytes(2, "little") + b"\1\0\0"


def test_first_tick_is_full_state_then_silence_once_acknowledged() -> None:
    table, sender = make()
    table.spawn_many(5, f0=[[1]] * 5)
    sender.add(3)
    assert sender.frames(3) == []  # nothing committed
    sender.commit(100)
    frames = sender.frames(3)
    assert baselines(frames) == {0: [0, 1, 2, 3, 4]}
    assert frames[0] == (FRAME_TICK, bytes([1, 0, 100]))
    assert sender.frames(3) == []  # once a tick
    sender.commit(101)
    assert baselines(sender.frames(3)) == {0: [0, 1, 2, 3, 4]}  # until it is acknowledged
    assert sender.on_frame(3, FRAME_DECODED, ack(100, 1))
    for tick in (102, 200):
        sender.commit(tick)
        assert sections(sender.frames(3)) == []
    assert sender.acked(3, 0)[:6].tolist() == [100] * 5 + [-1]


def test_a_change_is_sent_against_an_acknowledged_state() -> None:
    table, sender = make()
    table.spawn_many(5)
    sender.add(0)
    sender.commit(10)
    sender.frames(0)
    assert sender.on_frame(0, FRAME_DECODED, ack(10, 1))
    table.f1[2] = 77
    sender.commit(11)
    assert baselines(sender.frames(0)) == {1: [2]}
    table.f1[4] = 5  # slot 2 unchanged since 11, which is not acknowledged
    sender.commit(12)
    assert baselines(sender.frames(0)) == {2: [2, 4]}
    # Slot 2 of tick 11 arrives; slot 4 joins baseline 11, as it did not change until 12.
    assert sender.on_frame(0, FRAME_DECODED, ack(11, 1))
    table.f1[2] = 78
    sender.commit(13)
    assert baselines(sender.frames(0)) == {2: [2, 4]}


def test_one_baseline_for_slots_acknowledged_at_different_ticks() -> None:
    table, sender = make()
    table.spawn_many(20)
    sender.add(0)
    sender.commit(0)
    sender.frames(0)
    assert sender.on_frame(0, FRAME_DECODED, ack(0, 1))
    for tick in range(1, 10):  # every tick another slot changes, is sent and acknowledged
        table.f0[tick] = tick
        sender.commit(tick)
        assert baselines(sender.frames(0)) == {1: [tick]}
        assert sender.on_frame(0, FRAME_DECODED, ack(tick, 1))
    table.f0[:] += 1
    sender.commit(10)
    assert baselines(sender.frames(0)) == {1: list(range(20))}


def test_the_second_baseline_is_as_far_before_the_first_as_that_is_before_now() -> None:
    table, sender = make()
    table.spawn_many(20)
    sender.add(0)
    for tick in range(20):
        table.f0[:] += 1
        sender.commit(tick)
        sender.frames(0)
        if tick >= 4:
            assert sender.on_frame(0, FRAME_DECODED, ack(tick - 4, 1))
    everyone = list(range(20))
    table.f0[:] += 1
    sender.commit(20)
    assert pairs(sender.frames(0)) == [(5, 5, everyone)]
    # Of the ticks 16 to 20 nothing is known: the nearest before is named instead. A slot that
    # began after that is coded beside the others, against one state alone.
    table.spawn()
    sender.commit(21)
    assert sender.frames(0)[1:]
    assert sender.on_frame(0, FRAME_DECODED, bytes([21, 0, 0, 0, 1, 0, 1, 3]))
    table.f0[:] += 1
    sender.commit(22)
    assert pairs(sender.frames(0)) == [(1, 6, everyone), (1, 0, [20])]


def test_a_second_baseline_is_a_state_that_was_acknowledged() -> None:
    """Ticks that were lost are not named; a state that lasted is, at any tick it lasted to."""
    table, sender = make()
    table.spawn_many(2)
    sender.add(0)
    for tick in range(12):
        table.f0[0] = 10 * tick
        table.f0[1] = tick // 6
        sender.commit(tick)
        sender.frames(0)
        if tick in (0, 3, 9):
            assert sender.on_frame(0, FRAME_DECODED, ack(tick, 1))
    table.f0[:] = 500
    sender.commit(13)
    # Slot 0 moved every tick: A = 9 and B = 3 are what the client has. Slot 1 lasted from 6 to
    # 11, as acknowledged at 9, and from 0 to 5, as acknowledged at 3.
    assert pairs(sender.frames(0)) == [(4, 6, [0, 1])]


def test_silence_longer_than_the_ring_ends_in_full_state() -> None:
    table, sender = make()
    table.spawn_many(3)
    sender.add(0)
    sender.commit(0)
    sender.frames(0)
    assert sender.on_frame(0, FRAME_DECODED, ack(0, 1))
    for tick in range(1, 200):
        table.f0[1] = tick
        if tick == 150:
            table.f0[2] = 9
        sender.commit(tick)
        frames = sender.frames(0)
        if tick <= 63:
            assert baselines(frames) == {tick: [1]}
        elif tick < 150:
            assert baselines(frames) == {0: [1]}
        else:  # slot 2 did not change from its acknowledged tick 0 until 150: any D will do
            oldest = tick - 63
            expected = {0: [1], 63: [2]} if oldest < 150 else {0: [1, 2]}
            assert baselines(frames) == expected


def test_despawn_owner_and_new_life() -> None:
    table, sender = make()
    ids = table.spawn_many(4).tolist()
    sender.add(0)
    sender.commit(0)
    sender.frames(0)
    assert sender.on_frame(0, FRAME_DECODED, ack(0, 1))
    table.despawn(ids[1])
    table.set_owner(ids[2], 7)
    table.despawn(ids[3])
    assert table.spawn() == ids[1] + (1 << 16)
    sender.commit(1)
    frames = sender.frames(0)
    assert baselines(frames) == {0: [1, 2, 3]}
    _, state, _ = decode(FIELDS, 64, sections(frames)[0])
    assert state == {1: (2, None, (0, 0, 0)), 2: (1, 7, (0, 0, 0))}


def test_a_joiner_does_not_hear_of_slots_that_died_before() -> None:
    table, sender = make()
    ids = table.spawn_many(10).tolist()
    sender.commit(0)
    for entity in ids[2:]:
        table.despawn(entity)
    sender.commit(1)
    sender.add(0)
    assert baselines(sender.frames(0)) == {0: [0, 1]}
    table.despawn(ids[0])  # sent but not acknowledged: its end must be told
    sender.commit(2)
    assert baselines(sender.frames(0)) == {0: [0, 1]}


def test_missing_answer_brings_full_state_once() -> None:
    table, sender = make()
    table.spawn_many(3)
    sender.add(0)
    sender.commit(0)
    sender.frames(0)
    sender.on_frame(0, FRAME_DECODED, ack(0, 1))
    table.f0[1] = 1
    sender.commit(1)
    assert baselines(sender.frames(0)) == {1: [1]}
    assert sender.on_frame(0, FRAME_MISSING, bytes([1, 0, 0]))
    sender.commit(2)
    assert baselines(sender.frames(0)) == {0: [1]}
    assert sender.on_frame(0, FRAME_DECODED, ack(2, 1))
    assert sender.on_frame(0, FRAME_MISSING, bytes([1, 0, 0]))  # said again: nothing happens
    table.f0[1] = 2
    sender.commit(3)
    assert baselines(sender.frames(0)) == {1: [1]}
    # An acknowledgement that overtook the "missing" answer counts for more.
    table.f0[1] = 3
    sender.commit(4)
    assert baselines(sender.frames(0)) == {2: [1]}
    sender.commit(5)
    sender.frames(0)
    assert sender.on_frame(0, FRAME_DECODED, ack(5, 1))
    assert sender.on_frame(0, FRAME_MISSING, bytes([4, 0, 0]))
    sender.commit(6)
    assert sections(sender.frames(0)) == []
    assert sender.counters["baseline_missing"] == 3


def test_equal_needs_are_encoded_once_and_copied() -> None:
    table, sender = make()
    table.spawn_many(64)
    for client in range(100):
        sender.add(client)
    sender.commit(0)
    frames = [sender.frames(client) for client in range(100)]
    assert sender.counters["sections_encoded"] == 1
    assert all(each[1][1] is frames[0][1][1] for each in frames)
    for client in range(99):
        sender.on_frame(client, FRAME_DECODED, ack(0, 1))
    table.f0[:] = 9
    sender.commit(1)
    for client in range(100):
        sender.frames(client)
    assert sender.counters["sections_encoded"] == 3  # one delta, one full state
    assert sender.counters["groups_shared"] == 99 + 98


def test_a_shared_section_carries_each_client_s_own_index() -> None:
    a, b = Table(SCHEMA, 64), Table(SCHEMA, 64)
    sender = Sender([a, b])
    a.spawn()
    b.spawn()
    sender.add(0)
    sender.add(1, tables=[1])
    sender.commit(0)
    one, two = sections(sender.frames(0)), sections(sender.frames(1))
    assert [each[0] for each in one] == [0, 1]
    assert [each[0] for each in two] == [1]
    assert one[1][:3] == two[0][:3]
    assert one[1][4:] == two[0][4:]
    with pytest.raises(KeyError):
        sender.acked(1, 0)


def test_more_sections_than_a_tick_may_carry_come_later() -> None:
    table = Table(SCHEMA, 5000)
    sender = Sender([table], max_sections=7)
    table.spawn_many(5000)
    table.columns["f0"][:, 0] = np.arange(5000) % 1024
    receiver = Receiver([(SCHEMA, 5000)])
    sender.add(0)
    for tick in range(8):
        sender.commit(tick)
        frames = sender.frames(0)
        partial = frames[0][1][1]
        assert len(frames) - 1 <= 7
        assert all(len(data) <= SECTION_MAX_BYTES for _, data in frames)
        for kind, data in frames:
            assert receiver.on_frame(kind, data)
        for kind, data in receiver.frames():
            assert sender.on_frame(0, kind, data)
        assert partial == (receiver.complete != tick)
        if not partial:
            break
    assert len(receiver.worlds[0]) == 5000
    assert receiver.world_hash(tick) == sender.world_hash(tick)
    assert sender.counters["partial_ticks"] == tick == 2


def test_every_section_gets_its_turn_without_acknowledgements() -> None:
    table = Table(SCHEMA, 5000)
    sender = Sender([table], max_sections=4)
    table.spawn_many(5000)
    sender.add(0)
    seen: set[int] = set()
    for tick in range(12):
        sender.commit(tick)
        for data in sections(sender.frames(0)):
            seen.update(decode(FIELDS, 5000, data)[2])
    assert len(seen) == 5000


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0",
        b"\0\0\0\0",
        bytes([0, 0, 0, 0, 1]),
        bytes([0, 0, 0, 0, 17]) + bytes(51),
        bytes([0, 0, 0, 0, 1, 16, 1, 1]),  # 17 ticks back
        bytes([0, 0, 0, 0, 1, 0, 0]),  # an empty mask
        bytes([0, 0, 0, 0, 1, 0, 33]) + bytes([1] * 33),
        bytes([0, 0, 0, 0, 1, 0, 2, 1]),  # cut short
        bytes([0, 0, 0, 0, 1, 0, 1, 0]),  # ends in zero
        bytes([0, 0, 1, 0, 1, 0, 1, 1]),  # all of it, and some of it
        bytes([0, 0, 0, 0, 2, 1, 1, 1, 1, 1, 1]),  # not rising
        bytes([0, 0, 1, 0, 0, 0]),  # something behind the end
    ],
)
def test_malformed_acknowledgements_change_nothing(data: bytes) -> None:
    table, sender = make()
    table.spawn()
    sender.add(0)
    sender.commit(0)
    sender.frames(0)
    assert not sender.on_frame(0, FRAME_DECODED, data)
    assert sender.acked(0, 0)[0] == -1
    assert sender.counters["acks_malformed"] == 1


def test_other_malformed_frames() -> None:
    _, sender = make()
    sender.add(0)
    for kind, data in [
        (FRAME_MISSING, b""),
        (FRAME_MISSING, b"1234"),
        (FRAME_TICK, b"123"),
        (0, b""),
    ]:
        assert not sender.on_frame(0, kind, data)
    assert sender.on_frame(0, FRAME_MISSING, b"123")  # about nothing known: harmless
    assert sender.counters["acks_stale"] == 1


def test_acknowledgements_of_what_was_never_sent_are_harmless() -> None:
    table, sender = make()
    table.spawn_many(3)
    sender.add(0)
    sender.commit(50)
    for tick in (50, 51, 49, 114, 65_535):
        assert sender.on_frame(0, FRAME_DECODED, ack(tick, 1))
    assert sender.counters["acks_stale"] == 5
    sender.frames(0)
    assert sender.on_frame(0, FRAME_DECODED, bytes([50, 0, 0, 0, 1, 0, 32]) + b"\xff" * 32)
    assert sender.acked(0, 0)[:4].tolist() == [50, 50, 50, -1]


def test_clients_come_and_go() -> None:
    table, sender = make()
    table.spawn()
    with pytest.raises(KeyError):
        sender.frames(0)
    with pytest.raises(KeyError):
        sender.on_frame(0, FRAME_DECODED, b"")
    for client in (-1, 65_536):
        with pytest.raises(ConfigError):
            sender.add(client)
        assert client not in sender
        sender.remove(client)
    sender.add(65_535)
    with pytest.raises(ConfigError):
        sender.add(65_535)
    assert 65_535 in sender
    assert len(sender) == 1
    sender.commit(0)
    sender.frames(65_535)
    sender.on_frame(65_535, FRAME_DECODED, ack(0, 1))
    sender.remove(65_535)
    sender.remove(65_535)
    assert len(sender) == 0
    sender.add(65_535)  # another client under the same index holds nothing
    assert baselines(sender.frames(65_535)) == {0: [0]}


def test_options() -> None:
    for options in ({"max_sections": 0}, {"max_sections": 256}, {"history": 1}, {"history": 65}):
        with pytest.raises(ConfigError):
            make(**options)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="257 tables"):
        Sender([Table(SCHEMA, 1)] * 257)
    sender = Sender([])  # no tables: ticks alone
    sender.add(0)
    sender.commit(300)
    assert sender.frames(0) == [(FRAME_TICK, bytes([0, 0, 0xAC, 2]))]


def test_a_value_that_does_not_fit_leaves_every_table_at_its_last_tick() -> None:
    good, bad = Table(SCHEMA, 4), Table(lane_schema(FIELDS), 4)
    sender = Sender([good, bad])
    good.spawn()
    bad.spawn()
    sender.add(0)
    sender.commit(1)
    sender.frames(0)
    world = sender.world_hash(1)
    fits = bad.schema.quantize

    def refuse(*_: object) -> None:
        raise EncodeError("f0 does not fit")

    bad.schema.quantize = refuse
    for _ in range(3):
        with pytest.raises(EncodeError):
            sender.commit(2)
    assert sender.tick == 1
    assert sender.world_hash(1) == world
    assert sender.frames(0) == []
    bad.schema.quantize = fits
    sender.commit(2)
    assert sender.world_hash(2) == world
    for tick in (2, 1, 2**31, 2 + 4097):
        with pytest.raises(ConfigError):
            sender.commit(tick)
    with pytest.raises(KeyError):
        sender.world_hash(3)


def test_a_sender_that_outlives_its_module() -> None:
    """At the interpreter's exit in a cycle: no global may be needed to free it."""
    code = (
        f"import sys; sys.path[:0] = {sys.path!r}\n"
        "from netcode.replication import sender\n"
        "made = sender.Sender(())\n"
        "made.add(1)\n"
        "vars(sender).clear()\n"
        "del made\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == ""
