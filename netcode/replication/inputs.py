"""Inputs on their way to the server: redundant frames, which ``input_queue`` reads.

Input frame (0x44, client to server), newest input first:

    varint  tick of the newest input (the client's own count)
    then, to the end, runs of equal inputs:
      u8      length of the run, in ticks (1 to 64)
      varint  size
      bytes   one encoded input

A frame carries every input that the server has not confirmed, at most MAX_REDUNDANT, so a
lost datagram costs nothing. Inputs mostly repeat, so runs keep it small.

Time frame (0x45, server to client):

    varint  the server's tick
    varint  tick of the last input applied by then
    varint  inputs received after that one
"""

from __future__ import annotations

import collections
from dataclasses import dataclass
from typing import Final, NamedTuple

from netcode.replication.octets import OctetReader, put_varint

__all__ = ["INPUT_FRAME", "TIME_FRAME", "InputSender", "TimeFrame"]

INPUT_FRAME: Final = 0x44
TIME_FRAME: Final = 0x45

MAX_REDUNDANT: Final = 64
"""Inputs in one frame: a second of 60 Hz; older unconfirmed ones are given up."""

MAX_FRAME: Final = 1000
"""Bytes of one input frame; when inputs are large, fewer are repeated."""

MAX_QUEUED: Final = 64
"""Inputs waiting for their tick; the oldest are dropped beyond it."""

RUNS_PER_TICK: Final = 256
"""Runs read between two ticks, far more than an honest client's; then its frames are ignored, or
few bytes would buy much work. The next tick's frame repeats what matters."""

TARGET_QUEUED: Final = 3
"""Inputs left waiting after a tick took one; above this, one more is skipped a tick, so a
burst after a stall does not stay as latency."""


@dataclass(slots=True)
class Run:
    """Equal inputs of ticks in a row: ``count`` of them, the newest at ``tick``."""

    tick: int
    count: int
    encoded: bytes


class InputSender:
    """The client's unconfirmed inputs, as frames. ``tick`` counts up by one per input."""

    def __init__(self) -> None:
        self.runs: collections.deque[Run] = collections.deque()
        self.pending = 0

    def add(self, tick: int, encoded: bytes) -> None:
        """The input of ``tick``, one above the last."""
        last = self.runs[-1] if self.runs else None
        if last is not None and last.encoded == encoded:
            last.tick = tick
            last.count += 1
        else:
            self.runs.append(Run(tick, 1, encoded))
        self.pending += 1
        if self.pending > MAX_REDUNDANT:
            self.drop(1)

    def confirm(self, tick: int) -> None:
        """The server has every input up to ``tick``, or will never need it."""
        if self.runs:
            self.drop(tick - (self.runs[-1].tick - self.pending))

    def drop(self, count: int) -> None:
        """Forget the oldest ``count`` inputs."""
        while count > 0 and self.runs:
            run = self.runs[0]
            taken = min(count, run.count)
            run.count -= taken
            count -= taken
            self.pending -= taken
            if run.count == 0:
                self.runs.popleft()

    def frame(self) -> bytes | None:
        """The next input frame, or None when everything is confirmed."""
        if not self.runs:
            return None
        out = bytearray(put_varint(self.runs[-1].tick))
        for run in reversed(self.runs):
            if len(out) + len(run.encoded) + 4 > MAX_FRAME and run is not self.runs[-1]:
                break
            out.append(run.count)
            out += put_varint(len(run.encoded))
            out += run.encoded
        return bytes(out)


class TimeFrame(NamedTuple):
    """What the server says about time with each snapshot."""

    tick: int
    applied: int
    received: int

    def encode(self) -> bytes:
        return (
            put_varint(self.tick)
            + put_varint(self.applied)
            + put_varint(self.received - self.applied)
        )

    @classmethod
    def decode(cls, data: bytes) -> TimeFrame:
        """Raises DecodeError."""
        reader = OctetReader(data)
        tick, applied, more = reader.varint(), reader.varint(), reader.varint()
        reader.end()
        return cls(tick, applied, applied + more)
