"""Recordings: the quantised snapshots of a server in a file, and back as NumPy arrays.

Little-endian. The head: the magic ``NCREC``, u8 version, u32 length, that many bytes of JSON: what
``RecordedTable`` says of each table, and the tick rate. Then chunks of up to 64 snapshots, each
readable alone: u8 snapshots, u32 length, that many bytes of one zstandard frame. Inside, for each
snapshot: i32 tick, then for each table alive (u8), generation (u16), owner (i32), one of each for
every slot, and the lanes (i32), the first snapshot as they are, later ones XOR the one before.
A file may end inside a chunk, as when its server was killed; that chunk is left out.
"""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Final, Self

import numpy as np
import numpy.typing as npt

from netcode.errors import ConfigError, DecodeError
from netcode.replication.sender import Sender
from netcode.replication.table import Table
from netcode.schema.limits import MAX_FIELDS

__all__ = ["RECORDING_VERSION", "RecordedTable", "Recorder", "Recording", "Track"]

RECORDING_VERSION: Final = 1
MAGIC: Final = b"NCREC"
HEAD: Final = struct.Struct("<5sBI")
CHUNK: Final = struct.Struct("<BI")

CHUNK_TICKS: Final = 64
CHUNK_BYTES: Final = 16 << 20
"""A chunk is closed when it holds this much, uncompressed; one snapshot may be larger."""
MAX_HEAD_BYTES: Final = 1 << 20
MAX_TABLES: Final = 256
MAX_LANES: Final = 4096
MAX_TICK_BYTES: Final = 1 << 28
"""One snapshot of all tables."""
LEVEL: Final = 3


def zstandard() -> Any:
    """The compressor's module. ConfigError names the extra when it is not installed."""
    try:
        import zstandard as module
    except ImportError:
        raise ConfigError("recordings need zstandard: pip install netcode[record]") from None
    return module


@dataclass(frozen=True, slots=True)
class RecordedTable:
    """What a recording says of one table.

    Attributes:
        name: the schema's class name.
        schema_hash: of the schema, as ``Schema.schema_hash``.
        capacity: slots, 1 to 65,536.
        lanes: (name, bits, field, kind, largest code) of each lane.
        description: the schema's lines, one a field.
    """

    name: str
    schema_hash: int
    capacity: int
    lanes: tuple[tuple[str, int, int, str, int], ...]
    description: tuple[str, ...]

    @property
    def tick_bytes(self) -> int:
        """Bytes of one snapshot, uncompressed."""
        return self.capacity * (1 + 2 + 4 + 4 * len(self.lanes))

    @classmethod
    def of(cls, table: Table[Any]) -> Self:
        """What to say of a server's table."""
        schema = table.schema
        lanes = tuple((n, b, f, k, m) for n, b, f, k, m in schema.lanes)
        return cls(
            schema.__name__, schema.schema_hash, table.capacity, lanes, tuple(schema.description)
        )


@dataclass(frozen=True, slots=True)
class Track:
    """One table over time; n snapshots of ``capacity`` slots, rows of dead slots mean nothing.

    Attributes:
        table: what it is of.
        ticks: int64 ``(n,)``, rising.
        alive: bool ``(n, capacity)``.
        generation: uint16 ``(n, capacity)``, the slot's life.
        owner: int32 ``(n, capacity)``, a client index or -1.
        lanes: int32 ``(n, lanes, capacity)``, the bits of the unsigned codes.
    """

    table: RecordedTable
    ticks: npt.NDArray[np.int64]
    alive: npt.NDArray[np.bool_]
    generation: npt.NDArray[np.uint16]
    owner: npt.NDArray[np.int32]
    lanes: npt.NDArray[np.int32]

    def columns(self, schema: Any, index: int) -> dict[str, npt.NDArray[Any]]:
        """The values of one snapshot, as ``Schema.columns`` lays them out.

        Raises:
            ConfigError: ``schema`` is not the one that was recorded.
        """
        if schema.schema_hash != self.table.schema_hash:
            raise ConfigError(
                f"the recording's {self.table.name} is another schema than {schema.__name__}"
            )
        made: dict[str, npt.NDArray[Any]] = schema.columns(self.table.capacity)
        alive = np.ascontiguousarray(self.alive[index]).view(np.uint8)
        schema.dequantize(np.ascontiguousarray(self.lanes[index]), made, alive)
        return made


class Recorder:
    """Writes snapshots to a new file.

    Args:
        path: it must not exist.
        tables: a server's, in order.
        tick_rate: ticks a second.

    Raises:
        ConfigError: zstandard is not installed, or a snapshot would pass 256 MiB.
        FileExistsError: there is a file already.
    """

    def __init__(
        self, path: str | os.PathLike[str], tables: Sequence[Table[Any]], tick_rate: float
    ) -> None:
        self.compressor = zstandard().ZstdCompressor(level=LEVEL)
        said = [RecordedTable.of(table) for table in tables]
        self.tick_bytes = 4 + sum(table.tick_bytes for table in said)
        if self.tick_bytes > MAX_TICK_BYTES:
            raise ConfigError(f"a snapshot has {self.tick_bytes} bytes; limit {MAX_TICK_BYTES}")
        head = json.dumps({"tick_rate": tick_rate, "tables": [asdict(table) for table in said]})
        self.file: BinaryIO = Path(path).open("xb")  # noqa: SIM115 (close() ends it)
        self.file.write(HEAD.pack(MAGIC, RECORDING_VERSION, len(head.encode())) + head.encode())
        self.last: list[npt.NDArray[np.int32]] = []
        self.parts: list[bytes] = []
        self.stream: Any = None
        self.count = 0

    def write(
        self,
        tick: int,
        states: Sequence[
            tuple[npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[np.int32]]
        ],
    ) -> None:
        """Add a snapshot: (alive, generation, owner, lanes) of each table."""
        if self.stream is None:
            self.stream = self.compressor.compressobj()
            self.last = []
        put = self.stream.compress
        self.parts.append(put(struct.pack("<i", tick)))
        for number, (alive, generation, owner, lanes) in enumerate(states):
            self.parts.append(put(np.asarray(alive).astype("u1").tobytes()))
            self.parts.append(put(np.asarray(generation).astype("<u2").tobytes()))
            self.parts.append(put(np.asarray(owner).astype("<i4").tobytes()))
            codes = lanes ^ self.last[number] if self.count else lanes
            self.parts.append(put(codes.astype("<i4").tobytes()))
        self.last = [state[3].copy() for state in states]
        self.count += 1
        if self.count == CHUNK_TICKS or (self.count + 1) * self.tick_bytes > CHUNK_BYTES:
            self.flush()

    def take(self, sender: Sender, tick: int) -> None:
        """Add the snapshot that a sender has just committed."""
        histories = [sender.history(number) for number in range(len(sender.tables))]
        self.write(
            tick,
            [(h.alive(tick), h.generation(tick), h.owner(tick), h.lanes(tick)) for h in histories],
        )

    def flush(self) -> None:
        """Close the chunk; what came before is then safe in the file."""
        if self.stream is None:
            return
        data = b"".join([*self.parts, self.stream.flush()])
        self.file.write(CHUNK.pack(self.count, len(data)) + data)
        self.file.flush()
        self.stream, self.parts, self.count = None, [], 0

    def close(self) -> None:
        """Write what waits; may be called twice."""
        if not self.file.closed:
            self.flush()
            self.file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class Recording:
    """A recording to read. Whatever is in the file, memory and work are bounded.

    Attributes:
        tables: a ``RecordedTable`` each.
        tick_rate: ticks a second.
        truncated: known after reading: the file ends inside a chunk, which was left out.

    Raises:
        ConfigError: zstandard is not installed.
        DecodeError: not a recording, or of another version.
        OSError: the file cannot be read.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.decompressor = zstandard().ZstdDecompressor(max_window_size=1 << 27)
        self.path = Path(path)
        self.truncated = False
        with self.path.open("rb") as file:
            head = file.read(HEAD.size)
            if len(head) < HEAD.size or head[:5] != MAGIC:
                raise DecodeError(f"{self.path.name} is no recording")
            _, version, length = HEAD.unpack(head)
            if version != RECORDING_VERSION:
                raise DecodeError(
                    f"a recording of version {version}; this is version {RECORDING_VERSION}"
                )
            if length > MAX_HEAD_BYTES:
                raise DecodeError(f"a head of {length} bytes; limit {MAX_HEAD_BYTES}")
            self.tick_rate, self.tables = parse_head(file.read(length))
            self.start = file.tell()
        self.tick_bytes = 4 + sum(table.tick_bytes for table in self.tables)
        if self.tick_bytes > MAX_TICK_BYTES:
            raise DecodeError(f"a snapshot has {self.tick_bytes} bytes; limit {MAX_TICK_BYTES}")

    def chunks(self) -> Iterator[list[Track]]:
        """The tables over the snapshots of each chunk in turn. DecodeError when one is damaged."""
        newest = -1
        with self.path.open("rb") as file:
            file.seek(self.start)
            while head := file.read(CHUNK.size):
                if len(head) < CHUNK.size:
                    self.truncated = True
                    return
                count, length = CHUNK.unpack(head)
                most = max(CHUNK_BYTES, self.tick_bytes)
                if not 1 <= count <= CHUNK_TICKS or count * self.tick_bytes > most:
                    raise DecodeError(f"a chunk of {count} snapshots")
                if length > most + most // 64 + 1024:
                    raise DecodeError(f"a chunk of {length} bytes")
                data = file.read(length)
                if len(data) < length:
                    self.truncated = True
                    return
                tracks = self.unpack(count, data)
                if any(tick <= newest for tick in tracks[0].ticks[:1]) or np.any(
                    np.diff(tracks[0].ticks) <= 0
                ):
                    raise DecodeError("ticks that do not rise")
                newest = int(tracks[0].ticks[-1])
                yield tracks

    def unpack(self, count: int, data: bytes) -> list[Track]:
        """The tables over the snapshots of one chunk."""
        expected = count * self.tick_bytes
        try:
            with self.decompressor.stream_reader(data) as reader:
                raw = reader.read(expected + 1)
        except zstandard().ZstdError as error:
            raise DecodeError(f"a damaged chunk: {error}") from None
        if len(raw) != expected:
            raise DecodeError(f"a chunk of {len(raw)} bytes where {expected} belong")
        rows = np.frombuffer(raw, np.uint8).reshape(count, self.tick_bytes)
        at = 4

        def take(size: int, dtype: str) -> npt.NDArray[Any]:
            nonlocal at
            at += size
            return np.ascontiguousarray(rows[:, at - size : at]).view(dtype)

        ticks = np.ascontiguousarray(rows[:, :4]).view("<i4")[:, 0].astype(np.int64)
        tracks = []
        for table in self.tables:
            n, lanes = table.capacity, len(table.lanes)
            alive = take(n, "u1")
            generation, owner = take(2 * n, "<u2"), take(4 * n, "<i4")
            codes = take(4 * n * lanes, "<i4").reshape(count, lanes, n).astype(np.int32)
            np.bitwise_xor.accumulate(codes, axis=0, out=codes)
            tops = np.array([lane[4] for lane in table.lanes], np.uint32)[:, None]
            living = (alive != 0)[:, None, :]
            if alive.max(initial=0) > 1 or np.any((codes.view(np.uint32) > tops) & living):
                raise DecodeError(f"{table.name}: a code over its lane's limit")
            lives, owners = generation.astype(np.uint16), owner.astype(np.int32)
            tracks.append(Track(table, ticks, alive.view(np.bool_), lives, owners, codes))
        return tracks

    def read(self, table: str | int = 0, *, max_bytes: int = 1 << 31) -> Track:
        """All of one table, by its name or number.

        Args:
            table: the schema's class name, or the number in ``tables``.
            max_bytes: of the arrays returned.

        Raises:
            ConfigError: no such table, or more than ``max_bytes``.
            DecodeError: the file is damaged.
        """
        number = self.number(table)
        room = max_bytes
        parts = []
        for tracks in self.chunks():
            track = tracks[number]
            room -= len(track.ticks) * (track.table.tick_bytes + 8)
            if room < 0:
                raise ConfigError(f"{track.table.name} takes more than max_bytes={max_bytes}")
            parts.append(track)
        if not parts:
            raise DecodeError("the recording holds no snapshots")
        return Track(
            self.tables[number],
            np.concatenate([part.ticks for part in parts]),
            np.concatenate([part.alive for part in parts]),
            np.concatenate([part.generation for part in parts]),
            np.concatenate([part.owner for part in parts]),
            np.concatenate([part.lanes for part in parts]),
        )

    def number(self, table: str | int) -> int:
        """The number of a table. ConfigError when there is none of that name or number."""
        names = [each.name for each in self.tables]
        if isinstance(table, str) and table in names:
            return names.index(table)
        if isinstance(table, int) and 0 <= table < len(names):
            return table
        raise ConfigError(f"no table {table!r} in {self.path.name}; there are: {', '.join(names)}")


def parse_head(data: bytes) -> tuple[float, tuple[RecordedTable, ...]]:
    """The tick rate and the tables. DecodeError for anything that no ``Recorder`` writes."""
    try:
        said = json.loads(data)
        rate = float(said["tick_rate"])
        tables = tuple(parse_table(each) for each in said["tables"])
    except (ValueError, TypeError, KeyError, RecursionError, OverflowError) as error:
        raise DecodeError(f"a damaged head: {error}") from None
    if not 1 <= len(tables) <= MAX_TABLES or not 0 < rate < 1e6:
        raise DecodeError(f"{len(tables)} tables at {rate} ticks a second")
    return rate, tables


def parse_table(said: Any) -> RecordedTable:
    """ValueError and its like for what does not fit."""
    lanes = tuple(
        (str(name), int(bits), int(field), str(kind), int(top))
        for name, bits, field, kind, top in said["lanes"]
    )
    capacity, schema_hash = int(said["capacity"]), int(said["schema_hash"])
    if not 1 <= capacity <= 65_536 or len(lanes) > MAX_LANES or not 0 <= schema_hash < 1 << 64:
        raise ValueError(f"a table of {capacity} slots and {len(lanes)} lanes")
    field = 0
    for _, bits, of, _, top in lanes:
        if not 0 <= bits <= 32 or not 0 <= top < 1 << bits or not field <= of < MAX_FIELDS:
            raise ValueError(f"a lane of field {of}, {bits} bits and the largest code {top}")
        field = of
    lines = tuple(str(line) for line in said["description"])
    return RecordedTable(str(said["name"]), schema_hash, capacity, lanes, lines)
