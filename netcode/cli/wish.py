"""``--what-if``: a recording as another step or width of a field would have made it."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Final

import numpy as np
import numpy.typing as npt

from netcode.cli.account import Account
from netcode.cli.output import USAGE, CommandError
from netcode.delta.model import Heading, Model
from netcode.delta.shape import Shape
from netcode.schema.program import Lane

__all__ = ["Outcome", "fitted", "resized", "shape_of"]

SIZED: Final = ("quantized", "angle", "quat", "int", "bits")
MAX_BITS: Final = 32
MAX_STEP: Final = 1e6
MAX_QUAT_BITS: Final = 18
"""Of each part of a rotation: wider ones the coder does not take."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a wish would bring.

    Attributes:
        wish: as it was written; those before it count as well.
        before, after: without any wish, and with this one; both with the same tables.
        tables: "model" or "untrained".
    """

    wish: str
    before: Account
    after: Account
    tables: str

    @property
    def change(self) -> float:
        """In percent of what it was, negative when it saves."""
        return 100 * (self.after.total / self.before.total - 1) if self.before.total else 0.0


def shape_of(lanes: list[Lane]) -> Shape:
    """How the coder sees these lanes. ConfigError when it cannot take them."""
    return Shape.of(SimpleNamespace(lanes=lanes))


def parse(wish: str) -> tuple[str, str, float]:
    """Field, "bits" or "step", and how much. CommandError."""
    field, _, rest = wish.partition("=")
    what, _, amount = rest.partition(":")
    try:
        value = float(amount)
    except ValueError:
        value = math.nan
    if not field or what not in ("bits", "step") or math.isnan(value):
        raise CommandError(f"--what-if {wish}: write FIELD=bits:N or FIELD=step:K", USAGE)
    if what == "bits" and (not 1 <= value <= MAX_BITS or value != int(value)):
        raise CommandError(f"--what-if {wish}: {amount} bits; 1 to {MAX_BITS}, whole", USAGE)
    if not 0 < value <= MAX_STEP:
        raise CommandError(
            f"--what-if {wish}: a step {amount} times as wide; above 0, at most {MAX_STEP:.0f}",
            USAGE,
        )
    return field, what, value


def resized(
    lanes: list[Lane], codes: npt.NDArray[np.int32], wish: str
) -> tuple[list[Lane], npt.NDArray[np.int32]]:
    """Lanes and codes as another step or width of a field would have made them. CommandError."""
    field, what, value = parse(wish)
    chosen = [
        i for i, lane in enumerate(lanes)
        if (lane.name == field or lane.name.startswith((f"{field}.", f"{field}[")))
        and lane.kind in SIZED and lane.max
    ]  # fmt: skip
    if not chosen:
        names = sorted({lane.name for lane in lanes if lane.kind in SIZED and lane.max})
        there = f"there are {', '.join(names)}" if names else "no field has a step"
        raise CommandError(f"--what-if {wish}: no field {field} that has a step; {there}", USAGE)
    parts = [i for i in chosen if lanes[i].kind == "quat"]
    if len(parts) % 3:
        front = lanes[parts[0]].name.rpartition(".")[0]
        raise CommandError(
            f"--what-if {wish}: {field} is a part of {front}, and all of them have one step; "
            f"write {front}={what}:{wish.rpartition(':')[2]}", USAGE,
        )  # fmt: skip
    lanes, codes = list(lanes), codes.copy()
    for i in chosen:
        lane = lanes[i]
        top = top_of(lane, what, value, wish)
        unsigned = codes[:, i].view(np.uint32).astype(np.float64)
        scale = (top + 1) / (lane.max + 1) if lane.kind == "angle" else top / lane.max
        made = np.rint(unsigned * scale).astype(np.int64)
        made = made & top if lane.kind == "angle" else np.minimum(made, top)
        codes[:, i] = made.astype(np.uint32).view(np.int32)
        lanes[i] = lane._replace(bits=top.bit_length(), max=top)
    return lanes, codes


def top_of(lane: Lane, what: str, value: float, wish: str) -> int:
    """The largest code of a lane of so many bits, or of such a step. CommandError."""
    most = MAX_QUAT_BITS if lane.kind == "quat" else MAX_BITS
    if what == "bits":
        bits = int(value)
        top = (1 << bits) - 1
    elif lane.kind == "angle":
        bits = max(1, lane.bits - round(math.log2(value)))
        top = (1 << bits) - 1
    else:
        # of a float, which may be infinite
        wide = lane.max / value
        bits = MAX_BITS + 1 if wide >= 1 << MAX_BITS else int(wide).bit_length()
        top = int(wide) if bits <= MAX_BITS else 0
    if bits > most:
        amount = wish.rpartition(":")[2]
        said = f"{bits} bits" if what == "bits" else f"a step {amount} times as wide"
        name = f"parts of {lane.name.rpartition('.')[0]}" if lane.kind == "quat" else lane.name
        raise CommandError(f"--what-if {wish}: {name} with {said}; at most {most} bits", USAGE)
    return max(1, top)


def fitted(model: Model, lanes: list[Lane]) -> Model | None:
    """The model's tables for lanes of other sizes; None where a context would mean another thing.

    A file is for the lanes it was trained with, codes and all, so that both ends agree. The tables
    themselves are of the kinds of groups: they fit as long as these, their lanes and roles stay,
    and each group keeps its number of contexts. Usual speeds are in codes, and are scaled.
    """
    shape, old = shape_of(lanes), model.shape
    groups = [[group[:2] for group in each.spec] for each in (shape, old)]
    if groups[0] != groups[1] or shape.roles != old.roles or shape.ends != old.ends:
        return None
    heading = model.heading
    if heading is not None:
        course = shape.roles[3]
        # a speed is of the first two lanes, the plane that the angle lies in
        tops = zip(shape.spec[course][2][:2], old.spec[course][2][:2], strict=True)
        scales = [new / was for new, was in tops]
        heading = replace(heading, speeds=scaled_speeds(heading, scales))
    return replace(model, shape=shape, heading=heading)


def scaled_speeds(heading: Heading, scales: list[float]) -> tuple[int, ...]:
    """Usual speeds in other codes; none where the lanes of the vector were scaled differently."""
    if max(scales) > 1.01 * min(scales):
        return ()
    made = {round(speed * scales[0]) for speed in heading.speeds}
    return tuple(sorted(speed for speed in made if speed > 0))
