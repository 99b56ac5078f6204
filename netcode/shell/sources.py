"""Where an outgoing transfer reads: files, iterables, asynchronous iterables."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterable, Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, Final

from netcode.errors import ConfigError

__all__ = ["AsyncSource", "FileSource", "StreamSource", "open_file", "open_stream"]

Piece = bytes | bytearray | memoryview

MAX_EMPTY: Final = 64
"""Empty pieces in a row that are passed over in one look."""


class FileSource:
    """A binary file, read from where it stands."""

    def __init__(self, file: BinaryIO, *, own: bool) -> None:
        self.file = file
        self.own = own

    def read(self, most: int) -> bytes | None:
        """Up to ``most`` bytes."""
        data: object = self.file.read(most)
        if data is None:
            return None  # it does not block, and has nothing yet
        if not isinstance(data, bytes):
            raise TypeError(f"the file gave {type(data).__name__}, not bytes: open it as 'rb'")
        return data

    def close(self) -> None:
        """Close the file, if it was opened here."""
        if self.own:
            self.file.close()


class Cut:
    """Cuts pieces of any size to what fits."""

    def __init__(self) -> None:
        self.rest = memoryview(b"")

    def take(self, most: int) -> bytes:
        piece, self.rest = bytes(self.rest[:most]), self.rest[most:]
        return piece

    def put(self, piece: object) -> None:
        if not isinstance(piece, Piece):
            raise TypeError(f"a stream is of bytes, not of {type(piece).__name__}")
        self.rest = memoryview(piece).cast("B")


class StreamSource(Cut):
    """An iterable of pieces; it is asked for one when the last one is sent."""

    def __init__(self, stream: Iterable[Piece]) -> None:
        super().__init__()
        self.pieces: Iterator[Piece] = iter(stream)

    def read(self, most: int) -> bytes | None:
        """Up to ``most`` bytes."""
        for _ in range(MAX_EMPTY):
            if self.rest:
                return self.take(most)
            try:
                piece = next(self.pieces)
            except StopIteration:
                return b""
            self.put(piece)
        return None

    def close(self) -> None:
        """Close a generator."""
        self.rest = memoryview(b"")
        close = getattr(self.pieces, "close", None)
        if close is not None:
            close()


class AsyncSource(Cut):
    """An asynchronous iterable; a task holds one piece of it. ``kick`` tells of a new one."""

    def __init__(self, stream: AsyncIterable[Piece], kick: Callable[[], None]) -> None:
        super().__init__()
        self.kick = kick
        self.ended = False
        self.error: Exception | None = None
        self.empty = asyncio.Event()
        self.empty.set()
        self.task = asyncio.get_running_loop().create_task(self.run(stream))

    async def run(self, stream: AsyncIterable[Piece]) -> None:
        try:
            async for piece in stream:
                await self.empty.wait()
                self.put(piece)
                if self.rest:
                    self.empty.clear()
                    self.kick()
            await self.empty.wait()
        except Exception as error:
            self.error = error
        self.ended = True
        self.kick()

    def read(self, most: int) -> bytes | None:
        """Up to ``most`` bytes."""
        if self.error is not None and not self.rest:
            raise self.error
        if not self.rest:
            return b"" if self.ended else None
        piece = self.take(most)
        if not self.rest:
            self.empty.set()
        return piece

    def close(self) -> None:
        """End the task."""
        self.rest = memoryview(b"")
        self.task.cancel()


def open_file(file: str | os.PathLike[str] | BinaryIO) -> tuple[str, int | None, FileSource]:
    """Name, size from where it stands (None: not known) and source of a file."""
    if isinstance(file, str | os.PathLike):
        opened = Path(file).open("rb")  # noqa: SIM115 (the source closes it)
        return Path(file).name, os.fstat(opened.fileno()).st_size, FileSource(opened, own=True)
    if not hasattr(file, "read"):
        raise ConfigError(f"file: a {type(file).__name__}, must be a path or a binary file")
    name = getattr(file, "name", "")
    size = None
    try:
        if file.seekable():
            at = file.tell()
            size = max(file.seek(0, os.SEEK_END) - at, 0)
            file.seek(at)
    except (AttributeError, OSError):
        size = None
    return Path(name).name if isinstance(name, str) else "", size, FileSource(file, own=False)


def open_stream(
    stream: Iterable[Piece] | AsyncIterable[Piece], kick: Callable[[], None]
) -> StreamSource | AsyncSource:
    """The source of an iterable. ConfigError for something else, or an asynchronous one without
    a running event loop."""
    if isinstance(stream, AsyncIterable):
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            raise ConfigError("an asynchronous stream needs a running event loop") from None
        return AsyncSource(stream, kick)
    if isinstance(stream, bytes | bytearray | memoryview | str) or not isinstance(stream, Iterable):
        kind: Any = type(stream).__name__
        raise ConfigError(f"stream: a {kind}, must be an iterable of pieces of bytes")
    return StreamSource(stream)
