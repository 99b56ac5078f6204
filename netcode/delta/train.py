"""Training: count the coder's real decisions over recordings, and freeze them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence

import numpy as np
import numpy.typing as npt

from netcode.delta.coder import SectionCoder
from netcode.delta.model import Heading, Model
from netcode.delta.shape import Shape
from netcode.delta.tables import (
    EXPECTED,
    NODES,
    SEEN,
    clamp_probabilities,
    default_probabilities,
)

__all__ = ["learn_heading", "train"]

Recording = npt.NDArray[np.int32]
"""(snapshots, lanes, capacity) codes, contiguous, one tick apart."""

RESIDUALS = (EXPECTED, SEEN, NODES)


def learn_heading(shape: Shape, recordings: Sequence[Recording], lag: int = 3) -> Heading | None:
    """How the shape's angle leads its course; None when it does not."""
    _, _, heading, course = shape.roles
    if heading < 0 or course < 0:
        return None
    (angle,), (top,) = shape.spec[heading][1:]
    x, y = shape.spec[course][1][:2]
    facing, moving, speeds = [], [], []
    for data in recordings:
        for at in range(lag, len(data), 4 * lag):
            a, b = data[at].astype(np.int64), data[at - lag].astype(np.int64)
            dx, dy = a[x] - b[x], a[y] - b[y]
            distance = np.hypot(dx, dy)
            straight = (np.abs(a[angle] - b[angle]) <= top >> 7) & (distance >= 8)
            facing.append(a[angle][straight] * (2 * math.pi / (top + 1)))
            moving.append(np.arctan2(dy, dx)[straight])
            speeds.append(distance[straight] / lag)
    face, move = np.concatenate(facing), np.concatenate(moving)
    if face.size < 100:
        return None
    best = max(
        ((sign, np.exp(1j * (move - sign * face)).mean()) for sign in (1, -1)),
        key=lambda pair: abs(pair[1]),
    )
    if abs(best[1]) < 0.9:
        return None
    offset = round(float(np.angle(best[1])) / (2 * math.pi) * 65536)
    return Heading(best[0], offset, usual_speeds(np.concatenate(speeds)))


def usual_speeds(speeds: npt.NDArray[np.float64]) -> tuple[int, ...]:
    """Peaks of the histogram of speeds: those that many entities keep exactly."""
    found: list[int] = []
    rest = speeds[speeds > 0.5]
    for _ in range(16):
        bins = np.bincount((rest * 4).astype(np.int64))
        if not bins.size or bins.max() < max(30, 0.005 * len(speeds)):
            break
        middle = (int(bins.argmax()) + 0.5) / 4
        for _ in range(3):
            close = rest[np.abs(rest - middle) < 0.4]
            middle = float(np.median(close))
        around = np.count_nonzero(np.abs(rest - middle) < 1.5)
        if len(close) > 0.5 * around:
            found.append(round(middle * 256))
        rest = rest[np.abs(rest - middle) >= 1.0]
    return tuple(sorted(found))


def freeze(shape: Shape, counts: npt.NDArray[np.uint32]) -> npt.NDArray[np.uint16]:
    """Probabilities from counts; contexts seen rarely lean on those beside them."""
    n = counts.reshape(-1, 2).astype(np.float64)
    law = default_probabilities(shape) / 65536
    p = lean(n, law, 0.8)
    size = math.prod(RESIDUALS)
    for (kind, _, _), start in zip(shape.spec, shape.ends, strict=False):
        if kind in ("vector", "quaternion", "angle", "int"):
            at = slice(start + 1024, start + 1024 + size)
            cells = n[at].reshape(*RESIDUALS, 2)
            whole = lean(cells.sum(1), law[at].reshape(RESIDUALS)[:, 0], 2.0)
            p[at] = lean(cells, np.repeat(whole[:, None], RESIDUALS[1], 1), 4.0).ravel()
    return clamp_probabilities(65536 * p)


def lean(
    n: npt.NDArray[np.float64], prior: npt.NDArray[np.float64], weight: float
) -> npt.NDArray[np.float64]:
    """P(0) from counts [..., 2] with a prior worth ``weight`` decisions."""
    result: npt.NDArray[np.float64] = (n[..., 0] + weight * prior) / (n.sum(-1) + weight)
    return result


def train(
    shape: Shape,
    recordings: Sequence[Recording],
    lags: Iterable[int] = range(2, 13),
    *,
    lives: Sequence[npt.NDArray[np.uint16]] | None = None,
    sections: int = 1,
    step: int = 1,
    name: str = "",
    adaptive: int = 0,
    progress: Callable[[float], object] | None = None,
) -> Model:
    """A model from recordings; the same recordings give the same model.

    Args:
        shape: the table's lane groups.
        recordings: ``(snapshots, lanes, capacity)`` each, int32, contiguous; capacities may differ.
        lags: distances of T and A, and of A and B, in turn.
        lives: for each recording ``(snapshots, capacity)``, 0 where a slot is empty and else its
            generation: only entities that live on from B to T count. None: all do.
        sections: into how many sections a snapshot is cut.
        step: take every so many snapshots.
        name: of the model.
        adaptive: of the model; it is trained alike.
        progress: told the share that is done.
    """
    every = tuple(lags)
    heading = learn_heading(shape, recordings)
    counts = np.zeros((shape.contexts, 2), dtype=np.uint32)
    total = sum(len(range(0, len(data), step)) for data in recordings)
    done = 0
    for number, data in enumerate(recordings):
        # each with its own: recordings need not have the same number of slots
        coder = SectionCoder(shape, data.shape[2])
        if heading is not None:
            coder.set_heading(heading.sign, heading.offset, heading.speeds)
        parts = np.array_split(np.arange(data.shape[2], dtype=np.uint16), sections)
        for turn, tick in enumerate(range(0, len(data), step)):
            a = tick - every[turn % len(every)]
            # B is now and then older than twice the lag, or not there
            b = a - every[(turn + turn // len(every) * (turn % 3 == 0)) % len(every)]
            done += 1
            if a < 0:
                continue
            base = data[b] if b >= 0 and turn % 16 != 15 else None
            for slots in parts:
                if lives is not None:
                    life = lives[number]
                    same = (life[tick] == life[a]) & (life[tick] != 0)
                    if base is not None:
                        same &= life[tick] == life[b]
                    slots = slots[same[slots]]
                    if not slots.size:
                        continue
                coder.count(data[tick], data[a], base, tick - a, max(1, a - b), slots)
            if progress is not None and done % 64 == 0:
                progress(done / total)
        counts += coder.counts.reshape(counts.shape)
    return Model(shape, freeze(shape, counts), heading, name, adaptive)
