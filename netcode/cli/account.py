"""What each bit of a recording's sections is for: a real sender, and a client that answers late."""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from netcode.cli.output import CommandError
from netcode.cli.split import Replayed, Split, base_of
from netcode.delta import Decoder, Held, Layout
from netcode.delta.model import Model, untrained_for
from netcode.delta.section import HISTORY_TICKS
from netcode.replication import Sender, Track
from netcode.replication.wire import FRAME_DECODED, FRAME_SECTION
from netcode.schema.program import Lane

__all__ = ["Account", "account"]

ALL_OF_TICK: Final = struct.Struct("<HHB")


@dataclass(frozen=True, slots=True)
class Account:
    """Bits of a recording's sections, headers and rounding included.

    Attributes:
        fields: each group of lanes coded together, then each of ``split.BESIDE``, to its bits a
            snapshot.
        entities: float64 ``(capacity,)``, bits a snapshot of each slot, its place among the slots
            of a section included.
        shared: bits a snapshot that are of no single entity: headers, counts, ends.
        timeline: float64 ``(snapshots, fields)``, bits.
        ticks: int64 ``(snapshots,)``, of the timeline's rows.
        sizes: int64 ``(snapshots,)``, bytes of the sections that were sent; 8 times that is the sum
            of the timeline's row.
        joined: bool ``(snapshots,)``, where the client had acknowledged a snapshot that could be
            named.
        sections: a snapshot.
        partial: snapshots that needed more sections than a server sends in one tick.
    """

    fields: dict[str, float]
    entities: npt.NDArray[np.float64]
    shared: float
    timeline: npt.NDArray[np.float64]
    ticks: npt.NDArray[np.int64]
    sizes: npt.NDArray[np.int64]
    joined: npt.NDArray[np.bool_]
    sections: float
    partial: int

    @property
    def total(self) -> float:
        """Bits a snapshot."""
        return sum(self.fields.values())

    @property
    def after_joining(self) -> float | None:
        """Bits a snapshot where the client had a baseline; None when it never had."""
        return 8 * float(self.sizes[self.joined].mean()) if self.joined.any() else None


def account(
    track: Track,
    lanes: list[Lane],
    codes: npt.NDArray[np.int32],
    model: Model | None,
    *,
    lag: int,
    every: int = 1,
    progress: Callable[[float], object] = lambda share: None,
) -> Account:
    """Send a recording to a client that joins at its first snapshot, and say what each bit is for.

    Args:
        track: who lived when.
        lanes, codes: what to send of them; int32 ``(snapshots, lanes, capacity)``.
        model: None for the untrained tables.
        lag: ticks, 1 to 63: a snapshot is acknowledged when it is that old.
        every: count every so many snapshots; all are sent.
        progress: told the share that is done.

    Raises:
        CommandError: the recording holds what no client takes.
        ConfigError: no table has such lanes.
    """
    table = Replayed(track, lanes, codes)
    layout = Layout.of(table.schema, table.capacity)
    model = model or untrained_for(table.schema)
    as_table: Any = table  # it has what a sender takes of a table
    sender: Any = Sender([as_table])
    sender.add(0, models={0: model})
    decoder = Decoder(Held(layout), model)
    split = Split(table, layout, model)
    waiting: deque[int] = deque()
    born = np.zeros(table.capacity, np.int64)
    life = np.full((3, table.capacity), -1, np.int64)
    acked = -1
    indices = {tick: at for at, tick in enumerate(track.ticks.tolist())}
    rows, kept, sizes, joined, partial, count = [], [], [], [], 0, 0
    for tick, at in indices.items():
        table.show(at)
        sender.commit(tick)
        now = np.array([table.alive, *(table.alive * x for x in (table.generation, table.owners))])
        born[(now != life).any(0)] = tick
        life = now
        while waiting and waiting[0] <= tick - lag:
            acked = waiting.popleft()
            sender.on_frame(0, FRAME_DECODED, ALL_OF_TICK.pack(acked & 0xFFFF, 1, 0))
        known = acked >= 0 and tick - acked < HISTORY_TICKS
        counts = at % every == 0
        split.open()
        size = 0
        before = sender.counters["partial_ticks"]
        for kind, data in sender.frames(0):
            if kind != FRAME_SECTION:
                continue
            done = decoder.receive(data, tick)
            if isinstance(done, str):
                raise CommandError(f"no client takes the snapshot of tick {tick}: {done}")
            if not counts:
                continue
            slots = np.array(done[1], np.int64)
            to_a, to_b = base_of(data)
            split.add(
                data,
                slots,
                (born[slots] > acked) & known,
                indices[tick - to_a],
                indices[tick - to_a - to_b] if to_b else None,
            )
            size += len(data)
            count += 1
        waiting.append(tick)
        if counts:
            rows.append(split.row)
            kept.append(tick)
            sizes.append(size)
            joined.append(known)
            partial += sender.counters["partial_ticks"] - before
        progress((at + 1) / len(indices))
    timeline = np.array(rows)
    return Account(
        dict(zip(split.names, timeline.mean(0).tolist(), strict=True)),
        split.entities / len(rows), split.shared / len(rows), timeline,
        np.array(kept), np.array(sizes), np.array(joined), count / len(rows), partial,
    )  # fmt: skip
