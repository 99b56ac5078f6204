"""The command line of benchmarks/delta.py, and what it refuses."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from delta_data import LAG, SHAPES, RecordingError, load
from delta_measure import rows_of
from delta_peers import Lanes

from netcode.delta import HISTORY_TICKS
from netcode.delta.model import Model
from netcode.delta.train import train
from netcode.errors import ConfigError

__all__ = ["Start", "started"]

LAG_MOST = HISTORY_TICKS - 1
TRAIN_LEAST = 13
"""Snapshots: training takes baselines up to 12 back."""


def whole(least: int, most: int) -> Callable[[str], int]:
    """An option's type: a whole number in a range."""

    def read(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = least - 1
        if not least <= value <= most:
            raise argparse.ArgumentTypeError(
                f"{text!r} is not a whole number from {least} to {most}"
            )
        return value

    return read


def share(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a share from 0 to below 1")
    return value


def parser_of(description: str | None) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="delta.py",
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("kind", choices=sorted(SHAPES), help="the scene of the recordings")
    add("--data", type=Path, required=True, metavar="FILE.npz", help="the recording to measure on")
    add("--train", type=Path, nargs="+", default=[], metavar="FILE.npz",
        help="recordings to train on; without them and --model, tables are untrained")  # fmt: skip
    add("--model", type=Path, metavar="FILE", help="a model file: read, or written with --train")
    add("--lag", type=whole(1, LAG_MOST), metavar="TICKS",
        help=f"the least age of baseline A, 1 to {LAG_MOST}; "
        + ", ".join(f"{lag} for {kind}" for kind, lag in LAG.items()))  # fmt: skip
    add("--loss", type=share, default=0.0, metavar="P",
        help="share of the snapshots that were not acked, 0 to below 1; 0")  # fmt: skip
    add("--seed", type=whole(0, 2**63 - 1), default=1, metavar="S", help="of --loss; 1")
    add("--every", type=whole(1, 10**6), default=1, metavar="N",
        help="measure one of so many snapshots; 1")  # fmt: skip
    add("--step", type=whole(1, 10**6), default=1, metavar="N",
        help="train on one of so many snapshots; 1")  # fmt: skip
    add("--adaptive", type=whole(0, 255), default=0, metavar="N",
        help="let each section adapt the tables, which count as N decisions; 0")  # fmt: skip
    add("--dictionary", action="store_true",
        help="also zstd with dictionaries of the --train recordings: some minutes")  # fmt: skip
    add("--json", type=Path, metavar="FILE", help="also write all that was measured")
    return parser


@dataclass(frozen=True, slots=True)
class Start:
    """What the options ask for. ``recordings`` are those that the model was trained on."""

    options: argparse.Namespace
    data: Lanes
    model: Model
    recordings: list[Lanes]


def started(description: str | None, arguments: list[str] | None) -> Start:
    """Reads the options and the files; one line on stderr and exit status 2 when it cannot."""
    parser = parser_of(description)
    options = parser.parse_args(arguments)
    refuse_unfit(parser, options)
    data = recording(parser, "--data", options.kind, options.data)
    if not rows_of(options, data):
        parser.error(
            f"argument --data: {options.data}: none of its {len(data)} snapshots has acked ones to "
            f"stand on with --loss {options.loss}; --lag {options.lag} needs more than "
            f"{2 * options.lag} snapshots"
        )
    return Start(options, data, *taken_model(parser, options))


def refuse_unfit(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    """All that can be known before the work."""
    if options.lag is None:
        options.lag = LAG[options.kind]
    written = {"--json": options.json, "--model": options.model if options.train else None}
    for name, path in written.items():
        if path is None:
            continue
        if not path.resolve().parent.is_dir():
            parser.error(f"argument {name}: the folder of {path} does not exist")
        if path.is_dir():
            parser.error(f"argument {name}: {path} is a folder")
    if options.adaptive and options.model and not options.train:
        parser.error("argument --adaptive: a model file says itself whether it adapts")
    if options.dictionary and not options.train:
        parser.error("argument --dictionary: needs --train, whose recordings it is made of")


def recording(parser: argparse.ArgumentParser, option: str, kind: str, path: Path) -> Lanes:
    """The recording of an option's file."""
    try:
        return load(kind, path)
    except RecordingError as error:
        parser.error(f"argument {option}: {path}: {error}")


def taken_model(
    parser: argparse.ArgumentParser, options: argparse.Namespace
) -> tuple[Model, list[Lanes]]:
    """The model that the options ask for, and the recordings it was made of."""
    shape = SHAPES[options.kind]()
    if options.train:
        recordings = [recording(parser, "--train", options.kind, path) for path in options.train]
        for path, data in zip(options.train, recordings, strict=True):
            if len(data) < TRAIN_LEAST:
                parser.error(
                    f"argument --train: {path}: {len(data)} snapshots; at least {TRAIN_LEAST}"
                )
        model = train(shape, recordings, step=options.step, adaptive=options.adaptive)
        if options.model:
            options.model.write_bytes(model.to_bytes())
        return model, recordings
    if not options.model:
        return Model.untrained(shape, adaptive=options.adaptive), []
    try:
        return Model.from_bytes(options.model.read_bytes(), shape), []
    except OSError as error:
        parser.error(f"argument --model: {options.model}: {error.strerror}")
    except ConfigError as error:
        parser.error(f"argument --model: {options.model}: {error}")
