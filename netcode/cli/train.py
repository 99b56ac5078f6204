"""``python -m netcode train``: recordings to a model file."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from netcode.cli.output import OK, USAGE, CommandError, show
from netcode.cli.recorded import Bar, lives_of, load_schema, load_track
from netcode.delta.model import ADAPTIVE_TRAINED, ADAPTIVE_UNTRAINED, WORTH_MOST, Model
from netcode.delta.shape import Shape
from netcode.delta.train import train
from netcode.errors import ConfigError
from netcode.replication import Track

__all__ = ["add_train_options", "train_command"]

LAGS = range(2, 13)


def add_train_options(parser: ArgumentParser) -> None:
    """Arguments of ``train``."""
    parser.add_argument("schema", metavar="SCHEMA", help="module:Class, as both ends import it")
    parser.add_argument(
        "recordings", metavar="RECORDING", type=Path, nargs="*",
        help="files of server.record(); none, with --adaptive: a model of the schema alone",
    )  # fmt: skip
    parser.add_argument(
        "-o", "--out", type=Path, required=True, metavar="FILE", help="the model file to write"
    )
    parser.add_argument("--name", default="", help="of the model (default: the schema's)")
    parser.add_argument(
        "--step", type=int, default=1, metavar="N", help="take every N-th snapshot, to be quicker"
    )
    parser.add_argument(
        "--adaptive", action="store_true",
        help="let each section adapt the model: mostly fewer bytes, more time",
    )  # fmt: skip
    parser.add_argument(
        "--worth", type=int, metavar="N",
        help="with --adaptive: as how many decisions of a section the model counts, 1 to "
        f"{WORTH_MOST} (default {ADAPTIVE_TRAINED}; without recordings {ADAPTIVE_UNTRAINED})",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=train_command)


def train_command(options: Namespace) -> int:
    """Train on recordings; the same recordings, in the same order, give the same file."""
    schema = load_schema(options.schema)
    if options.step < 1:
        raise CommandError(f"--step is {options.step}; 1 or more", USAGE)
    adaptive = worth_of(options)
    if not options.recordings and not adaptive:
        raise CommandError(
            "no RECORDING: without one, only --adaptive gives more than no model does", USAGE
        )
    tracks = [load_track(path, None, schema) for path in options.recordings]
    if tracks and max(len(track.ticks) for track in tracks) <= 2 * LAGS[0]:
        raise CommandError("the recordings are too short to learn from")
    name = options.name or schema.__name__
    try:
        shape = Shape.of(schema)
        model = trained(shape, tracks, options.step, name, adaptive) if tracks else (
            Model.untrained(shape, name, adaptive)
        )  # fmt: skip
        data = model.to_bytes()
    except ConfigError as error:
        raise CommandError(str(error)) from None
    try:
        options.out.write_bytes(data)
    except OSError as error:
        raise CommandError(f"cannot write {options.out}: {error.strerror}") from None
    assert Model.from_bytes(data, shape).hash == model.hash
    show(
        {
            "model": model.name,
            "hash": f"{model.hash:016x}",
            "file": str(options.out),
            "bytes": len(data),
            "adaptive": model.adaptive,
            "snapshots": sum(len(track.ticks) for track in tracks),
        },
        as_json=options.json,
    )
    return OK


def worth_of(options: Namespace) -> int:
    """As how many decisions the model counts; 0 = it is frozen. CommandError."""
    if options.worth is not None and not options.adaptive:
        raise CommandError(f"--worth is {options.worth}; it takes --adaptive", USAGE)
    if not options.adaptive:
        return 0
    usual = ADAPTIVE_TRAINED if options.recordings else ADAPTIVE_UNTRAINED
    worth: int = usual if options.worth is None else options.worth
    if not 1 <= worth <= WORTH_MOST:
        raise CommandError(f"--worth is {worth}; 1 to {WORTH_MOST}", USAGE)
    return worth


def trained(shape: Shape, tracks: Sequence[Track], step: int, name: str, adaptive: int) -> Model:
    """The model of some recordings, with a bar while it is made."""
    bar = Bar("training")
    try:
        model = train(
            shape,
            [np.ascontiguousarray(track.lanes) for track in tracks],
            LAGS,
            lives=[lives_of(track) for track in tracks],
            step=step,
            name=name,
            adaptive=adaptive,
            progress=bar,
        )
        bar(1.0)
    finally:
        bar.end()
    return model
