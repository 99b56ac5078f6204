"""Between the oracle's plain states and the arrays of the library."""

from __future__ import annotations

import numpy as np
from oracle.delta import Row, State

from netcode.delta import Held, History, Layout


def layout_of(fields: list[list[int]], capacity: int) -> Layout:
    widths = [width for field in fields for width in field]
    groups = [index for index, field in enumerate(fields) for _ in field]
    return Layout(widths, groups, capacity)


def commit(history: History, tick: int, state: State) -> None:
    capacity = history.layout.capacity
    lanes = history.stage(tick)
    lanes[:] = -1  # what dead rows hold must not matter
    alive = np.zeros(capacity, bool)
    generation = np.zeros(capacity, np.uint16)
    owner = np.full(capacity, -1, np.int32)
    for slot, row in state.items():
        alive[slot] = True
        generation[slot] = row.generation
        owner[slot] = -1 if row.owner is None else row.owner
        lanes[:, slot] = np.array(row.codes, np.uint32).view(np.int32)
    history.commit(alive, generation, owner)


def state_of(held: Held, tick: int) -> State:
    alive, generation, owner, lanes = held.view(tick)
    return {
        slot: Row(
            int(generation[slot]),
            None if owner[slot] < 0 else int(owner[slot]),
            tuple(lanes[:, slot].view(np.uint32).tolist()),
        )
        for slot in np.flatnonzero(alive).tolist()
    }
