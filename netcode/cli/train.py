"""``python -m netcode train``: recordings to a model file."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

import numpy as np

from netcode.cli.output import OK, CommandError, show
from netcode.cli.recorded import Bar, lives_of, load_schema, load_track
from netcode.delta.model import ADAPTIVE_TRAINED, ADAPTIVE_UNTRAINED, Model
from netcode.delta.shape import Shape
from netcode.delta.train import train
from netcode.errors import ConfigError

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
        "--adaptive", type=int, nargs="?", const=-1, default=0, metavar="N",
        help="let each section adapt the model, which counts as N decisions, 1 to 255 (default "
        f"{ADAPTIVE_TRAINED}; without recordings {ADAPTIVE_UNTRAINED}): fewer bytes, more time",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=train_command)


def train_command(options: Namespace) -> int:
    """Train on recordings; the same recordings, in the same order, give the same file."""
    schema = load_schema(options.schema)
    if options.step < 1:
        raise CommandError(f"--step is {options.step}; 1 or more", 2)
    tracks = [load_track(path, None, schema) for path in options.recordings]
    if len({track.table.capacity for track in tracks}) > 1:
        raise CommandError("the recordings have tables of different capacities")
    if max(len(track.ticks) for track in tracks) <= 2 * LAGS[0]:
        raise CommandError("the recordings are too short to learn from")
    try:
        shape = Shape.of(schema)
        bar = Bar("training")
        model = train(
            shape,
            [np.ascontiguousarray(track.lanes) for track in tracks],
            LAGS,
            lives=[lives_of(track) for track in tracks],
            step=options.step,
            name=options.name or schema.__name__,
            progress=bar,
        )
        bar(1.0)
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
            "snapshots": sum(len(track.ticks) for track in tracks),
        },
        as_json=options.json,
    )
    return OK
