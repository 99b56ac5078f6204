"""What the commands that read recordings share: schemas by name, tables by schema, a bar."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import numpy.typing as npt

from netcode.cli.output import USAGE, CommandError, tell
from netcode.errors import ConfigError, DecodeError
from netcode.replication import Recording, Track
from netcode.schema import Schema

__all__ = ["Bar", "lives_of", "load_schema", "load_track"]


def load_schema(text: str) -> type[Schema]:
    """The class that ``module:Class`` names; the current folder counts. CommandError."""
    module, _, name = text.partition(":")
    if not module or not name:
        raise CommandError(f"{text!r} is no schema: write module:Class", USAGE)
    if "" not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        found = getattr(importlib.import_module(module), name)
    except ImportError as error:
        raise CommandError(f"cannot import {module}: {error}") from None
    except AttributeError:
        raise CommandError(f"{module} has no {name}") from None
    if not (isinstance(found, type) and issubclass(found, Schema)):
        raise CommandError(f"{text} is no Schema")
    return found


def load_track(path: Path, table: str | None, schema: type[Schema] | None = None) -> Track:
    """One table of a recording: named, or of the schema, or the only one. CommandError."""
    try:
        recording = Recording(path)
        names = [each.name for each in recording.tables]
        if table is None and schema is not None:
            hashes = [each.schema_hash for each in recording.tables]
            if schema.schema_hash not in hashes:
                raise CommandError(
                    f"{path} holds no table of {schema.__name__} as it is now; it has "
                    f"{', '.join(names)}. A schema that was changed needs a new recording."
                )
            wanted: int | str = hashes.index(schema.schema_hash)
        elif table is None and len(names) > 1:
            raise CommandError(f"say --table: {path} has {', '.join(names)}", USAGE)
        else:
            wanted = 0 if table is None else table
        track = recording.read(wanted)
        if recording.truncated:
            said = f"{path} ends inside a chunk, which is left out: {len(track.ticks)} snapshots"
            tell(said, kind="warning")
        return track
    except (ConfigError, DecodeError) as error:
        raise CommandError(f"{path}: {error}") from None
    except OSError as error:
        raise CommandError(f"cannot read {path}: {error.strerror}") from None


def lives_of(track: Track) -> npt.NDArray[np.uint16]:
    """(snapshots, capacity): the generation where a slot lives, else 0."""
    lives: npt.NDArray[np.uint16] = np.where(track.alive, track.generation, 0).astype(np.uint16)
    return lives


class Bar:
    """A progress bar on a terminal; nothing elsewhere."""

    def __init__(self, label: str, stream: TextIO | None = None) -> None:
        self.label = label
        self.stream: Any = stream or sys.stderr
        self.shown = -1

    def __call__(self, share: float) -> None:
        """Show the share that is done, 0 to 1."""
        percent = round(100 * share)
        if percent != self.shown and self.stream.isatty():
            self.shown = percent
            filled = percent * 30 // 100
            bar = "#" * filled + "." * (30 - filled)
            self.stream.write(f"\r{self.label} [{bar}] {percent:3d} %")
            self.stream.write("\n" if percent == 100 else "")
            self.stream.flush()

    def end(self) -> None:
        """Leave the line, when it was not finished: what is printed next begins its own."""
        if 0 <= self.shown < 100:
            self.shown = 100
            self.stream.write("\n")
            self.stream.flush()
