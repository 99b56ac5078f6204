"""The account of a recording: it adds up to the bytes of the sections that a real server sends."""

from __future__ import annotations

from collections import deque
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import netcode as nc
from netcode.cli import split
from netcode.cli.account import Account, account
from netcode.delta.model import Model
from netcode.delta.shape import Shape
from netcode.delta.train import train
from netcode.replication import Receiver, RecordedTable, Recorder, Recording, Sender, Table, Track
from netcode.replication.wire import FRAME_SECTION
from netcode.schema.program import Lane

pytest.importorskip("zstandard")


class Mover(nc.Schema):
    x: Annotated[float, nc.Quantized(0, 1000, step=1 / 64)] = 0.0
    y: Annotated[float, nc.Quantized(0, 1000, step=1 / 64)] = 0.0
    hp: Annotated[int, nc.Range(0, 100)] = 100
    boss: bool = False


class Flags(nc.Schema):
    """More groups than the coder takes: every section is plain."""

    __annotations__ = {f"f{i}": bool for i in range(65)} | {
        "level": Annotated[int, nc.Range(0, 1000)]
    }


def play(table: Table[Any], seed: int, ticks: list[int], change: Any) -> Any:
    """Commit and hand out each tick of a world with spawns, despawns and owners."""
    rng = np.random.default_rng(seed)
    ids = table.spawn_many(table.capacity // 2).tolist()
    for tick in ticks:
        change(rng, table)
        if rng.random() < 0.3 and ids:
            table.despawn(ids.pop(0))
        if rng.random() < 0.4 and len(ids) < table.capacity:
            ids.append(table.spawn(owner=int(rng.integers(9)) if rng.random() < 0.5 else None))
        yield tick


def drift(rng: np.random.Generator, table: Table[Any]) -> None:
    for name in "xy":
        step = rng.normal(0, 2, table.capacity) * (rng.random(table.capacity) < 0.7)
        table.columns[name][:] = np.clip(table.columns[name] + step, 0, 1000)
    table.columns["hp"][rng.integers(table.capacity)] = rng.integers(100)


def blink(rng: np.random.Generator, table: Table[Any]) -> None:
    table.columns["f7"][:] ^= rng.random(table.capacity) < 0.5
    table.columns["level"][rng.integers(table.capacity)] = rng.integers(1000)


def sent(
    path: Path, schema: type[nc.Schema], capacity: int, ticks: list[int], lag: int, change: Any,
    model: Model | None = None,
) -> tuple[Track, list[int]]:  # fmt: skip
    """Record a world while a real client receives it and answers ``lag`` ticks late."""
    table: Table[Any] = Table(schema, capacity)
    sender = Sender([table])
    sender.add(3, models={0: model} if model else None)
    receiver = Receiver([(schema, capacity, None, model)])
    answers: deque[tuple[int, list[tuple[int, bytes]]]] = deque()
    sizes = []
    with Recorder(path, [table], 30) as recorder:
        for tick in play(table, 5, ticks, change):
            sender.commit(tick)
            recorder.take(sender, tick)
            while answers and answers[0][0] <= tick - lag:
                for kind, data in answers.popleft()[1]:
                    assert sender.on_frame(3, kind, data)
            frames = sender.frames(3)
            sizes.append(sum(len(data) for kind, data in frames if kind == FRAME_SECTION))
            for kind, data in frames:
                assert receiver.on_frame(kind, data)
            answers.append((tick, receiver.frames()))
            assert receiver.world_hash(tick) == sender.world_hash(tick)
    return Recording(path).read(), sizes


def adds_up(found: Account) -> None:
    """Rows, entities and bytes are one sum."""
    assert found.timeline.sum(1) == pytest.approx(8 * found.sizes)
    assert found.total == pytest.approx(8 * found.sizes.mean())
    assert found.entities.sum() + found.shared == pytest.approx(found.total)
    assert list(found.fields)[-len(split.BESIDE) :] == list(split.BESIDE)


def lanes_of(track: Track) -> list[Lane]:
    return [Lane(*lane) for lane in track.table.lanes]


@pytest.mark.parametrize("lag", [1, 2, 6, 40])
@pytest.mark.parametrize("apart", [1, 3])
@pytest.mark.parametrize("trained", [False, True])
def test_the_bytes_are_those_a_real_client_gets(
    tmp_path: Path, lag: int, apart: int, trained: bool
) -> None:
    ticks = list(range(500, 500 + 90 * apart, apart))
    model = None
    if trained:
        track, _ = sent(tmp_path / "first", Mover, 40, ticks, lag, drift)
        model = train(Shape.of(Mover), [track.lanes])
    track, sizes = sent(tmp_path / "game", Mover, 40, ticks, lag, drift, model)
    found = account(track, lanes_of(track), track.lanes, model, lag=lag)
    assert found.sizes.tolist() == sizes
    assert found.ticks.tolist() == ticks
    adds_up(found)
    ends = found.timeline[:, -1]
    assert found.joined.sum() == np.count_nonzero(np.array(ticks) - lag >= 500)
    # a byte is filled up, or a run of zeros at the end is spared; on average half a byte is lost
    assert ends.min() > -16
    assert ends.max() < 14 * max(1, found.sections)
    assert 0 < ends.mean() < 8 * max(1, found.sections)
    for name in (split.SPAWNS, split.DESPAWNS, split.FULL, split.FLAGS, split.SLOTS):
        assert found.fields[name] > 0, name
    assert found.fields["x, y"] > found.fields["hp"] > found.fields["boss"] >= 0


def test_lag_counts_ticks_not_snapshots(tmp_path: Path) -> None:
    track, _ = sent(tmp_path / "game", Mover, 20, list(range(0, 180, 4)), 8, drift)
    sizes = {
        lag: account(track, lanes_of(track), track.lanes, None, lag=lag).sizes.tolist()
        for lag in (4, 5, 8, 9, 12)
    }
    assert sizes[5] == sizes[8]  # the newest snapshot that is at least 5 ticks old is 8 old
    assert sizes[9] == sizes[12]
    assert sizes[4] != sizes[8] != sizes[12]


def test_plain_sections_are_told_apart_to_the_bit(tmp_path: Path) -> None:
    track, sizes = sent(tmp_path / "game", Flags, 12, list(range(60)), 3, blink)
    found = account(track, lanes_of(track), track.lanes, None, lag=3)
    assert found.sizes.tolist() == sizes
    adds_up(found)
    ends = found.timeline[:, -1]
    assert np.all(ends == np.rint(ends))
    assert ends.min() >= 0
    assert ends.max() < 8 * 4
    # a field that never changes has a clear bit in each row
    assert found.fields["f7"] > found.fields["f0"] == found.fields["f1"] > 0
    assert found.fields["level"] > found.fields["f0"]


def still(ticks: list[int], alive: list[list[bool]], lives: list[list[int]]) -> Track:
    """A table of Mover's lanes with nothing but spawns and despawns."""
    lanes = tuple((n, b, f, k, m) for n, b, f, k, m in Mover.lanes)
    shape = (len(ticks), len(alive[0]))
    return Track(
        RecordedTable("Mover", 1, shape[1], lanes, ()), np.array(ticks),
        np.array(alive), np.array(lives, np.uint16), np.full(shape, -1, np.int32),
        np.zeros((shape[0], len(lanes), shape[1]), np.int32),
    )  # fmt: skip


def test_spawns_and_despawns_by_hand() -> None:
    row = 1 + 16 + 1 + 4  # alive, generation, no owner, and a clear bit for each of the fields
    track = still(
        [10, 11, 12, 13, 80],
        [[True, False, True, False]] + [[True, True, True, False]] * 2
        + [[False, True, True, False]] * 2,
        [[1, 0, 1, 0]] + [[1, 1, 1, 0]] * 2 + [[0, 1, 1, 0]] * 2,
    )  # fmt: skip
    found = account(track, lanes_of(track), track.lanes, None, lag=1)
    adds_up(found)
    at = {name: number for number, name in enumerate(found.fields)}
    rows = found.timeline
    assert rows[:, at[split.FULL]].tolist() == [2 * row, 0, 0, 0, 0]
    assert rows[:, at[split.SPAWNS]].tolist() == [0, row, 0, 0, 0]
    assert rows[:, at[split.DESPAWNS]].tolist() == [0, 0, 0, 1, 0]
    # k, count, first slot, and a gap of one slot in three bits or fewer
    assert rows[:, at[split.SLOTS]].tolist() == [4 + 2 + 2 + 2, 8, 0, 8, 0]
    assert rows[:, at[split.HEADERS]].tolist() == [40, 40, 0, 40, 0]
    assert found.sizes.tolist() == [12, 9, 0, 7, 0]
    assert found.joined.tolist() == [False, True, True, True, False]
    assert found.entities[3] == 0
    assert found.entities * 5 == pytest.approx([row + 2 + 1 + 2, row + 2, row + 2, 0])


def test_an_acked_snapshot_that_is_too_old_is_no_baseline() -> None:
    track = still([0, 70, 140], [[True]] * 3, [[1]] * 3)
    track.lanes[:, 0, 0] = [1, 2, 3]
    found = account(track, lanes_of(track), track.lanes, None, lag=1)
    adds_up(found)
    full = list(found.fields).index(split.FULL)
    assert np.all(found.timeline[:, full] == 1 + 16 + 1 + 4 + Mover.lanes[0].bits)
    assert not found.joined.any()
    assert found.after_joining is None


def test_every_nth_is_counted_and_all_are_sent(tmp_path: Path) -> None:
    track, _ = sent(tmp_path / "game", Mover, 20, list(range(50)), 4, drift)
    whole = account(track, lanes_of(track), track.lanes, None, lag=4)
    some = account(track, lanes_of(track), track.lanes, None, lag=4, every=7)
    adds_up(some)
    assert some.ticks.tolist() == whole.ticks[::7].tolist()
    assert some.sizes.tolist() == whole.sizes[::7].tolist()
    assert some.timeline == pytest.approx(whole.timeline[::7])


def test_what_one_tick_does_not_take_is_sent_later() -> None:
    many = still([0, 1, 2], [[True] * 60_000] * 3, [[1] * 60_000] * 3)
    found = account(many, lanes_of(many), many.lanes, None, lag=1)
    adds_up(found)
    assert found.partial == 2
    assert found.sizes.max() <= 64 * 1100


@given(st.integers(0, 1 << 16), st.integers(1, 63), st.integers(1, 300))
@settings(max_examples=25, deadline=None)
def test_any_history_adds_up(seed: int, lag: int, capacity: int) -> None:
    rng = np.random.default_rng(seed)
    ticks = np.cumsum(rng.integers(1, 9, 25)).tolist()
    alive = rng.random((25, capacity)) < np.linspace(0.2, 1, capacity)
    lives = np.where(alive, 1 + (rng.random((25, capacity)) < 0.1).cumsum(0), 0)
    track = still(ticks, alive.tolist(), lives.tolist())
    tops = np.array([lane.max for lane in Mover.lanes])[:, None]
    track.lanes[:] = rng.integers(0, tops + 1, track.lanes.shape) * (
        rng.random(track.lanes.shape) < 0.5
    )
    track.owner[:] = np.where(rng.random(track.owner.shape) < 0.1, 7, -1)
    found = account(track, lanes_of(track), track.lanes, None, lag=lag)
    adds_up(found)
    known = np.delete(found.timeline, -1, axis=1)
    assert known.min() >= 0
    assert np.all(found.timeline[:, -1] < 10 * (found.sizes // 1000 + 8) + 0.004 * known.sum(1))
