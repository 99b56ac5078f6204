"""``python -m netcode profile``: where the bits of a recording go."""

from __future__ import annotations

import json
from argparse import ArgumentParser, Namespace
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from netcode.cli.account import Account, account
from netcode.cli.output import OK, USAGE, CommandError, show, tell
from netcode.cli.page import page
from netcode.cli.recorded import Bar, load_track
from netcode.cli.split import BESIDE
from netcode.cli.wish import Outcome, fitted, resized, shape_of
from netcode.delta.model import Model
from netcode.delta.section import HISTORY_TICKS
from netcode.errors import ConfigError
from netcode.replication import Track
from netcode.schema.program import Lane

__all__ = ["add_profile_options", "profile_command"]

MAX_LAG = HISTORY_TICKS - 1


def add_profile_options(parser: ArgumentParser) -> None:
    """Arguments of ``profile``."""
    parser.add_argument("recording", metavar="RECORDING", type=Path, help="of server.record()")
    parser.add_argument("--table", metavar="NAME", help="which table, where there are several")
    parser.add_argument(
        "--model", type=Path, metavar="FILE", help="of train; default: the untrained tables"
    )
    parser.add_argument(
        "--lag",
        type=int,
        default=6,
        metavar="TICKS",
        help=f"ticks until a snapshot is acked, 1 to {MAX_LAG} (default 6): A is the newest "
        "snapshot at least so old, and B about as many ticks before A",
    )
    parser.add_argument(
        "--every", type=int, default=1, metavar="N", help="count every N-th snapshot (default 1)"
    )
    parser.add_argument(
        "--what-if",
        action="append",
        default=[],
        metavar="FIELD=bits:N|step:K",
        help="encode again with a field of N bits (1 to 32), or a step K times as wide (above 0); "
        "may be repeated, each adds to those before",
    )
    parser.add_argument("-o", "--out", type=Path, metavar="HTML", help="write a page with pictures")
    parser.add_argument(
        "--top", type=int, default=5, metavar="N", help="name the N heaviest entities (default 5)"
    )
    parser.add_argument("--json", action="store_true", help="print JSON; bits are per snapshot")
    parser.set_defaults(run=profile_command)


class Profiler:
    """Accounts of one recording, with a bar for each."""

    def __init__(self, track: Track, runs: int, **options: Any) -> None:
        self.track, self.runs, self.options = track, runs, options
        self.run = 0

    def __call__(
        self, lanes: list[Lane], codes: npt.NDArray[np.int32], model: Model | None
    ) -> Account:
        """One account."""
        self.run += 1
        bar = Bar("coding" if self.runs == 1 else f"coding, {self.run} of {self.runs}")
        try:
            return account(self.track, lanes, codes, model, **self.options, progress=bar)
        finally:
            bar.end()


@dataclass(frozen=True, slots=True)
class Result:
    """What a run found: ``model`` is its name, and the ``top`` heaviest entities are named."""

    table: str
    model: str | None
    found: Account
    changed: list[Outcome]
    top: int

    @property
    def ranked(self) -> list[tuple[str, float]]:
        """Rows of the account, heaviest first."""
        return sorted(self.found.fields.items(), key=lambda pair: -pair[1])

    @property
    def heaviest(self) -> list[int]:
        """Slots of the heaviest entities."""
        slots: list[int] = np.argsort(-self.found.entities, kind="stable")[: self.top].tolist()
        return slots

    def as_json(self) -> dict[str, Any]:
        """As ``--json`` prints it."""
        return {
            "table": self.table,
            "model": self.model,
            "snapshots": len(self.found.ticks),
            "sections_per_snapshot": self.found.sections,
            "bytes_per_snapshot": self.found.total / 8,
            "bits_per_snapshot": self.found.total,
            "bits_after_joining": self.found.after_joining,
            "partial_snapshots": self.found.partial,
            "fields": dict(self.ranked),
            "entities": {str(slot): float(self.found.entities[slot]) for slot in self.heaviest},
            "shared": self.found.shared,
            "what_if": {
                each.wish: {
                    "bits": each.after.total,
                    "bits_after_joining": each.after.after_joining,
                    "instead_of": each.before.total,
                    "tables": each.tables,
                }
                for each in self.changed
            },
        }

    def as_text(self) -> dict[str, object]:
        """As it is printed, a line each."""
        found = self.found
        share = max(found.total, 1e-9) / 100
        lines: dict[str, object] = {
            "table": f"{self.table}, {len(found.ticks)} snapshots",
            "coded with": f"the model {self.model!r}" if self.model else "the untrained tables",
            "a snapshot": f"{found.total / 8:10.1f} bytes in {found.sections:.1f} sections",
        }
        if found.after_joining is not None:
            lines["once joined"] = f"{found.after_joining / 8:10.1f} bytes"
        if found.partial:
            lines["over the limit"] = f"{found.partial} snapshots, the rest came later"
        for name, bits in self.ranked:
            if bits or name not in BESIDE:
                lines[name] = f"{bits:10.1f} bits {bits / share:5.1f} %"
        for slot in self.heaviest:
            lines[f"slot {slot}"] = f"{found.entities[slot]:10.1f} bits"
        for each in self.changed:
            lines[f"what if {each.wish}"] = (
                f"{each.after.total / 8:10.1f} bytes instead of {each.before.total / 8:.1f}, "
                f"{each.change:+.1f} %"
            )
        if self.changed and self.model is not None:
            lines["what-ifs are with"] = (
                "the model's tables, which were not trained for it"
                if self.changed[0].tables == "model"
                else "the untrained tables on both sides: the model's do not fit such lanes"
            )
        return lines


def profile_command(options: Namespace) -> int:
    """Print bits by field and by entity, what another step would save, and write the page."""
    check(options)
    track = load_track(options.recording, options.table)
    lanes = [Lane(*lane) for lane in track.table.lanes]
    try:
        model = load_model(options.model, lanes)
        # all wishes at once, so that a wrong one is told before the work
        wanted = []
        other, codes = lanes, track.lanes
        for wish in options.what_if:
            other, codes = resized(other, codes, wish)
            wanted.append((wish, other, codes, fitted(model, other) if model else None))
        fits = model is not None and all(tables for *_, tables in wanted)
        again = model is not None and not fits
        run = Profiler(track, 1 + len(wanted) + again, lag=options.lag, every=options.every)
        found = run(lanes, track.lanes, model)
        plain = run(lanes, track.lanes, None) if again else found
        changed = [
            Outcome(wish, plain, run(other, codes, tables if fits else None),
                    "model" if fits else "untrained")
            for wish, other, codes, tables in wanted
        ]  # fmt: skip
    except ConfigError as error:
        raise CommandError(f"{options.recording}: {error}") from None
    result = Result(track.table.name, model.name if model else None, found, changed, options.top)
    if options.json:
        print(json.dumps(result.as_json(), indent=2))
    else:
        show(result.as_text(), as_json=False)
    if options.out is not None:
        made = page(result.table, found, result.ranked, changed, result.model)
        try:
            options.out.write_text(made, encoding="utf-8")
        except OSError as error:
            raise CommandError(f"cannot write {options.out}: {error.strerror}") from None
        tell(f"the page is in {options.out}")
    return OK


def check(options: Namespace) -> None:
    """Refuse options out of range before any work. CommandError."""
    if not 1 <= options.lag <= MAX_LAG:
        raise CommandError(f"--lag is {options.lag}; 1 to {MAX_LAG} ticks", USAGE)
    if options.every < 1:
        raise CommandError(f"--every is {options.every}; 1 or more", USAGE)
    if options.top < 0:
        raise CommandError(f"--top is {options.top}; 0 or more", USAGE)
    if options.out is not None and not options.out.parent.is_dir():
        raise CommandError(f"cannot write {options.out}: no folder {options.out.parent}")


def load_model(path: Path | None, lanes: list[Lane]) -> Model | None:
    """The model of a file, or None. CommandError."""
    if path is None:
        return None
    shape = shape_of(lanes)
    try:
        return Model.from_bytes(path.read_bytes(), shape)
    except OSError as error:
        raise CommandError(f"cannot read {path}: {error.strerror}") from None
    except ConfigError as error:
        raise CommandError(f"{path}: {error}") from None
