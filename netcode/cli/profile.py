"""``python -m netcode profile``: where the bits of a recording go."""

from __future__ import annotations

import json
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from netcode.cli.output import OK, USAGE, CommandError, show, tell
from netcode.cli.page import page
from netcode.cli.recorded import Bar, lives_of, load_track
from netcode.delta.model import Model
from netcode.delta.shape import Shape
from netcode.errors import ConfigError
from netcode.replication import Track
from netcode.schema.program import Lane

__all__ = ["Account", "account", "add_profile_options", "profile_command", "resized"]

FLAGS = "which entities changed"
SIZED = ("quantized", "angle", "quat", "largest", "int", "bits")


@dataclass(frozen=True, slots=True)
class Account:
    """Bits of a recording's sections.

    Attributes:
        fields: name of each group of lanes coded together to its bits a snapshot.
        entities: float64 ``(capacity,)``, bits a snapshot of each slot.
        timeline: float64 ``(snapshots, fields)``.
        ticks: of the timeline's rows.
    """

    fields: dict[str, float]
    entities: npt.NDArray[np.float64]
    timeline: npt.NDArray[np.float64]
    ticks: npt.NDArray[np.int64]

    @property
    def total(self) -> float:
        """Bits a snapshot."""
        return sum(self.fields.values())


def add_profile_options(parser: ArgumentParser) -> None:
    """Arguments of ``profile``."""
    parser.add_argument("recording", metavar="RECORDING", type=Path, help="of server.record()")
    parser.add_argument("--table", metavar="NAME", help="which table, where there are several")
    parser.add_argument("--model", type=Path, metavar="FILE", help="default: the untrained tables")
    parser.add_argument(
        "--lag", type=int, default=6, metavar="TICKS", help="age of the acked A, and from A to B"
    )
    parser.add_argument("--every", type=int, default=1, metavar="N", help="every N-th snapshot")
    parser.add_argument(
        "--what-if",
        action="append",
        default=[],
        metavar="FIELD=bits:N|step:K",
        help="encode again with a field of N bits, or a step K times as wide; may be repeated",
    )
    parser.add_argument("-o", "--out", type=Path, metavar="HTML", help="write a page with pictures")
    parser.add_argument("--top", type=int, default=5, metavar="N", help="entities to name")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=profile_command)


def label(names: list[str]) -> str:
    """One name for lanes coded together: ``pos`` for pos.x, pos.y; else all of them."""
    fronts = {name.rpartition(".")[0] for name in names}
    front = fronts.pop() if len(fronts) == 1 else ""
    return front if front and len(names) > 1 else ", ".join(names)


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
    """Count what the coder would write for every snapshot against ``lag`` and twice ``lag`` ago."""
    shape = Shape.of(type("Recorded", (), {"lanes": lanes}))
    coder = (model or Model.untrained(shape)).coder(track.table.capacity)
    names = [label([lanes[i].name for i in group[1]]) for group in shape.spec] + [FLAGS]
    lives = lives_of(track)
    rows, ticks = [], []
    before = np.zeros(len(names))
    wanted = range(2 * lag, len(codes), every)
    for done, at in enumerate(wanted):
        a, b = at - lag, at - 2 * lag
        same = (lives[at] == lives[a]) & (lives[at] == lives[b]) & (lives[at] != 0)
        slots = np.flatnonzero(same).astype(np.uint16)
        if slots.size:
            coder.count(codes[at], codes[a], codes[b], lag, lag, slots)
        now = np.array([*coder.group_bits, coder.bits - sum(coder.group_bits)])
        rows.append(now - before)
        ticks.append(int(track.ticks[at]))
        before = now
        progress((done + 1) / len(wanted))
    if not rows:
        raise CommandError(f"the recording has {len(codes)} snapshots; --lag {lag} needs more")
    fields: dict[str, float] = {}
    for name, bits in zip(names, before, strict=True):
        fields[name] = fields.get(name, 0.0) + float(bits) / len(rows)
    return Account(fields, coder.entity_bits / len(rows), np.array(rows), np.array(ticks))


def resized(
    lanes: list[Lane], codes: npt.NDArray[np.int32], wish: str
) -> tuple[list[Lane], npt.NDArray[np.int32]]:
    """Lanes and codes as another step or width of a field would have made them. CommandError."""
    field, _, rest = wish.partition("=")
    what, _, amount = rest.partition(":")
    try:
        value = float(amount)
    except ValueError:
        value = 0.0
    if what not in ("bits", "step") or not 0 < value < 1e6 or (what == "bits" and value > 32):
        raise CommandError(f"--what-if {wish}: write FIELD=bits:N or FIELD=step:K", USAGE)
    chosen = [
        i for i, lane in enumerate(lanes)
        if (lane.name == field or lane.name.startswith((f"{field}.", f"{field}[")))
        and lane.kind in SIZED and not lane.name.endswith(".largest") and lane.max
    ]  # fmt: skip
    if not chosen:
        names = sorted({lane.name for lane in lanes if lane.kind in SIZED})
        raise CommandError(f"--what-if {wish}: no such field; there are {', '.join(names)}", USAGE)
    lanes, codes = list(lanes), codes.copy()
    for i in chosen:
        lane = lanes[i]
        top = (1 << int(value)) - 1 if what == "bits" else int(lane.max / value)
        if lane.kind == "angle":
            bits = int(value) if what == "bits" else lane.bits - round(np.log2(value))
            top = (1 << max(1, bits)) - 1
        top = max(1, min(top, 0xFFFFFFFF))
        unsigned = codes[:, i].view(np.uint32).astype(np.float64)
        scale = (top + 1) / (lane.max + 1) if lane.kind == "angle" else top / lane.max
        made = np.rint(unsigned * scale).astype(np.int64)
        made = made & top if lane.kind == "angle" else np.minimum(made, top)
        codes[:, i] = made.astype(np.uint32).view(np.int32)
        lanes[i] = lane._replace(bits=top.bit_length(), max=top)
    return lanes, codes


def profile_command(options: Namespace) -> int:
    """Print bits by field and by entity, what another step would save, and write the page."""
    if not 1 <= options.lag <= 127 or options.every < 1:
        raise CommandError("--lag is 1 to 127 and --every 1 or more", USAGE)
    track = load_track(options.recording, options.table)
    lanes = [Lane(*lane) for lane in track.table.lanes]
    model = load_model(options.model, lanes)
    bar = Bar("coding")
    run: dict[str, Any] = {"lag": options.lag, "every": options.every}
    try:
        found = account(track, lanes, track.lanes, model, **run, progress=bar)
        changed = []
        if options.what_if:
            # other lanes have another shape, for which there is no model: compare untrained ones
            plain = found if model is None else account(track, lanes, track.lanes, None, **run)
            other, codes = lanes, track.lanes
            for wish in options.what_if:
                other, codes = resized(other, codes, wish)
                less = account(track, other, codes, None, **run)
                changed.append((wish, plain.total, less.total))
    except ConfigError as error:
        raise CommandError(str(error)) from None
    ranked = sorted(found.fields.items(), key=lambda pair: -pair[1])
    heaviest = np.argsort(-found.entities, kind="stable")[: max(0, options.top)].tolist()
    if options.json:
        print(json.dumps({
            "table": track.table.name,
            "snapshots": len(found.ticks),
            "bits_per_snapshot": found.total,
            "fields": dict(ranked),
            "entities": {str(slot): float(found.entities[slot]) for slot in heaviest},
            "what_if": {w: {"bits": after, "instead_of": was} for w, was, after in changed},
        }, indent=2))  # fmt: skip
    else:
        share = max(found.total, 1e-9) / 100
        show({
            "table": f"{track.table.name}, {len(found.ticks)} snapshots",
            "a snapshot": f"{found.total / 8:.1f} bytes",
            **{name: f"{bits:10.1f} bits {bits / share:5.1f} %" for name, bits in ranked},
            **{f"slot {slot}": f"{found.entities[slot]:10.1f} bits" for slot in heaviest},
            **{f"what if {wish}": f"{after / 8:.1f} bytes instead of {was / 8:.1f}"
               for wish, was, after in changed},
        }, as_json=False)  # fmt: skip
    if options.out is not None:
        try:
            options.out.write_text(page(track.table.name, found, ranked), encoding="utf-8")
        except OSError as error:
            raise CommandError(f"cannot write {options.out}: {error.strerror}") from None
        tell(f"the page is in {options.out}")
    return OK


def load_model(path: Path | None, lanes: list[Lane]) -> Model | None:
    """The model of a file, or None. CommandError."""
    if path is None:
        return None
    try:
        return Model.from_bytes(path.read_bytes(), Shape.of(type("Recorded", (), {"lanes": lanes})))
    except OSError as error:
        raise CommandError(f"cannot read {path}: {error.strerror}") from None
    except ConfigError as error:
        raise CommandError(f"{path}: {error}") from None
