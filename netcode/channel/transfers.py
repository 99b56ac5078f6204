"""Files and streams over a reliable channel: both ends of every transfer of a connection, sans I/O.

The sending end reads its source only when the receiving end granted room and the channel has some,
so it holds one piece of it. The receiving end holds what it granted and its game has not taken: a
size that the peer announces is a number and nothing more. Nothing is granted before the game
accepts, and what comes without a grant is malformed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Final, Protocol

from netcode.channel.notes import (
    MAX_DATA,
    MAX_NAME,
    UNKNOWN,
    Note,
    NoteKind,
    TransferReason,
    parse_note,
    put_note,
)
from netcode.errors import ChannelFull, ConfigError, DecodeError

__all__ = ["MAX_TRANSFERS", "WINDOW", "Incoming", "Outgoing", "Source", "Transfers"]

MAX_TRANSFERS: Final = 16
"""Of one connection and one direction at a time."""
WINDOW: Final = 1 << 20
"""Bytes that a receiving end holds for a game that does not take them."""
MAX_BUSY: Final = 64
"""Refusals that may wait to be sent to one that goes on opening."""


class Source(Protocol):
    """Where an outgoing transfer reads."""

    def read(self, most: int) -> bytes | None:
        """Up to ``most`` bytes; empty at the end, None when there are none yet."""

    def close(self) -> None:
        """It is needed no more; may be called twice."""


class Transfer:
    """What both ends have in common."""

    def __init__(self, number: int, name: str, total: int | None) -> None:
        self.id = number
        self.name = name
        self.total = total
        self.reason: TransferReason | None = None
        self.done = False
        self.changed: Callable[[], None] = nothing
        self.notes: deque[Note] = deque()

    def end(self, reason: TransferReason | None) -> None:
        """It is over: well (None), or not."""
        if not self.done:
            self.done = True
            self.reason = reason
            self.changed()


class Outgoing(Transfer):
    """The sending end of one transfer."""

    def __init__(self, number: int, name: str, total: int | None, source: Source) -> None:
        super().__init__(number, name, total)
        self.source = source
        self.sent = 0
        self.acked = 0
        self.limit = 0
        self.complete = False
        self.piece: bytes | None = None
        self.error: Exception | None = None
        size = UNKNOWN if total is None else total
        self.notes.append(Note(NoteKind.OPEN, number, size, data=name.encode()))

    def next_note(self) -> Note | None:
        """What to push next; ``pushed`` when it was."""
        if self.notes:
            return self.notes[0]
        if self.done or self.complete:
            return None
        if self.piece is None:
            room = min(self.limit - self.sent, MAX_DATA)
            if self.total is not None and self.sent == self.total:
                return Note(NoteKind.END, self.id)
            if room <= 0:
                return None
            try:
                self.piece = self.source.read(room)
            except Exception as error:
                self.error = error
                self.stop(TransferReason.FAILED)
                return self.notes[0]
        if self.piece is None:
            return None
        if self.piece:
            if self.total is not None and self.sent + len(self.piece) > self.total:
                self.piece = self.piece[: self.total - self.sent]
            return Note(NoteKind.DATA, self.id, data=self.piece)
        if self.total is not None:
            self.stop(TransferReason.FAILED)
            return self.notes[0]
        return Note(NoteKind.END, self.id)

    def pushed(self, note: Note) -> None:
        """The channel took it."""
        if self.notes:
            self.notes.popleft()
        elif note.kind is NoteKind.DATA:
            self.sent += len(note.data)
            self.piece = None
            self.changed()
        else:
            self.complete = True
            self.source.close()

    def stop(self, reason: TransferReason) -> None:
        """Give it up, and tell the other end."""
        if not self.done:
            self.notes.append(Note(NoteKind.STOP, self.id, reason))
            self.end(reason)

    def end(self, reason: TransferReason | None) -> None:
        self.source.close()
        self.piece = None
        super().end(reason)

    def hear(self, note: Note) -> None:
        """A note of the receiving end."""
        if note.kind is NoteKind.GRANT:
            if not self.acked <= note.a <= self.sent or note.b < self.limit:
                raise DecodeError("a grant of a transfer that goes back, or of what was not sent")
            self.acked, self.limit = note.a, note.b
            self.changed()
        elif note.kind is NoteKind.REFUSE:
            self.end(TransferReason(note.a))
        else:
            if not self.complete:
                raise DecodeError("a transfer is done before its end")
            self.acked = self.sent
            self.end(None)


class Incoming(Transfer):
    """The receiving end of one transfer."""

    def __init__(self, number: int, name: str, total: int | None) -> None:
        super().__init__(number, name, total)
        self.received = 0
        self.taken = 0
        self.granted = 0
        self.most = -1
        self.window = WINDOW
        self.complete = False
        self.data = bytearray()

    def accept(self, most: int, window: int) -> None:
        """Let it come, up to ``most`` bytes."""
        if self.done or self.most >= 0:
            return
        if self.total is not None and self.total > most:
            self.refuse(TransferReason.TOO_LARGE)
            return
        self.most, self.window = most, window
        if self.complete:
            self.finish()  # without a grant it can but be empty
        else:
            self.grant()

    def grant(self) -> None:
        """Tell what was taken, when it is worth a note."""
        # One byte above the most shows a stream that is too large; a size that is known does not.
        limit = min(self.taken + self.window, self.most + 1)
        more = limit - self.granted
        if self.complete or more <= 0 or (more < self.window // 4 and limit <= self.most):
            return
        self.granted = limit
        self.notes.clear()
        self.notes.append(Note(NoteKind.GRANT, self.id, self.taken, self.granted))

    def read(self, most: int) -> bytes:
        """Take up to ``most`` bytes of those that are here."""
        piece = bytes(self.data[:most])
        del self.data[:most]
        self.taken += len(piece)
        if self.done:
            return piece
        if self.complete and not self.data:
            self.finish()
        elif piece:
            self.grant()
        return piece

    def finish(self) -> None:
        self.notes.clear()
        self.notes.append(Note(NoteKind.DONE, self.id))
        self.end(None)

    def refuse(self, reason: TransferReason) -> None:
        """It is not wanted, or no more; what is here is dropped."""
        if not self.done:
            self.notes.clear()
            self.notes.append(Note(NoteKind.REFUSE, self.id, reason))
            self.data.clear()
            self.end(reason)

    def hear(self, note: Note) -> None:
        """A note of the sending end."""
        if note.kind is NoteKind.STOP:
            self.notes.clear()
            self.data.clear()
            self.end(TransferReason(note.a))
            return
        if self.complete:
            raise DecodeError("more of a transfer after its end")
        if note.kind is NoteKind.DATA:
            size = len(note.data)
            if self.received + size > self.granted:
                raise DecodeError("data of a transfer beyond what was granted")
            if self.total is not None and self.received + size > self.total:
                raise DecodeError("a transfer has more than it said")
            self.received += size
            if self.received > self.most:
                self.refuse(TransferReason.TOO_LARGE)
                return
            self.data += note.data
            self.changed()
        else:
            if self.total is not None and self.received != self.total:
                raise DecodeError("a transfer has less than it said")
            self.complete = True
            self.notes.clear()
            if self.most >= 0 and not self.data:
                self.finish()
            else:
                self.changed()


class Transfers:
    """All transfers of one connection; ``receive`` what the peer says, ``pump`` what there is.

    Args:
        offered: called with each Incoming that the peer opens.
    """

    def __init__(self, offered: Callable[[Incoming], None]) -> None:
        self.offered = offered
        self.outgoing: dict[int, Outgoing] = {}
        self.incoming: dict[int, Incoming] = {}
        self.opened = 0
        self.heard = 0
        self.busy: deque[int] = deque()
        self.closed = False

    def open(self, name: str, total: int | None, source: Source) -> Outgoing:
        """Begin to send.

        Raises ConfigError for a name or a size out of range, ChannelFull when MAX_TRANSFERS are
        under way.
        """
        if len(name.encode()) > MAX_NAME:
            raise ConfigError(f"name: {len(name.encode())} bytes, must be at most {MAX_NAME}")
        if total is not None and not 0 <= total < UNKNOWN:
            raise ConfigError(f"total: {total}, must be 0 to {UNKNOWN - 1}")
        if len(self.outgoing) >= MAX_TRANSFERS:
            raise ChannelFull(
                f"{MAX_TRANSFERS} transfers are under way", limit=f"{MAX_TRANSFERS} transfers"
            )
        self.opened += 1
        made = self.outgoing[self.opened] = Outgoing(self.opened, name, total, source)
        return made

    @property
    def idle(self) -> bool:
        """Whether ``pump`` has nothing to do for now, whatever the queues take."""
        return not (self.outgoing or self.incoming or self.busy)

    def receive(self, data: bytes, *, data_channel: bool) -> None:
        """A message of the transfers' channel, or a note of a receiving end. DecodeError when it
        is malformed or makes no sense."""
        note = parse_note(data)
        if data_channel != (note.kind <= NoteKind.STOP):
            raise DecodeError(f"{note.kind.name} of a transfer on the wrong channel")
        if note.kind is NoteKind.OPEN:
            self.take_open(note)
        elif data_channel:
            known = self.incoming.get(note.id)
            if known is not None and not known.done:
                known.hear(note)
            elif not 0 < note.id <= self.heard:
                raise DecodeError("a transfer that was never opened")
        else:
            ours = self.outgoing.get(note.id)
            if ours is not None and not ours.done:
                ours.hear(note)
            elif not 0 < note.id <= self.opened:
                raise DecodeError("a transfer that was never opened")

    def take_open(self, note: Note) -> None:
        if note.id != self.heard + 1:
            raise DecodeError("transfers are not opened in turn")
        try:
            name = note.data.decode()
        except UnicodeDecodeError:
            raise DecodeError("the name of a transfer is not UTF-8") from None
        self.heard = note.id
        if len(self.incoming) >= MAX_TRANSFERS:
            if len(self.busy) >= MAX_BUSY:
                raise DecodeError("transfers are opened over and over")
            self.busy.append(note.id)
            return
        made = Incoming(note.id, name, None if note.a == UNKNOWN else note.a)
        self.incoming[note.id] = made
        self.offered(made)

    def pump(self, push_data: Callable[[bytes], bool], push_note: Callable[[bytes], bool]) -> None:
        """Push what there is, until a queue is full: then the function says False."""
        while self.busy and push_note(
            put_note(Note(NoteKind.REFUSE, self.busy[0], TransferReason.BUSY))
        ):
            self.busy.popleft()
        for theirs in list(self.incoming.values()):
            while theirs.notes and push_note(put_note(theirs.notes[0])):
                theirs.notes.popleft()
            if theirs.done and not theirs.notes:
                del self.incoming[theirs.id]
        waiting = deque(self.outgoing.values())
        while waiting:
            ours = waiting.popleft()
            note = ours.next_note()
            if note is not None and not push_data(put_note(note)):
                # It goes first the next time: dicts keep their order.
                self.outgoing = {ours.id: ours, **self.outgoing}
                break
            if note is not None:
                ours.pushed(note)
                waiting.append(ours)
            elif ours.done:
                del self.outgoing[ours.id]

    def close(self) -> None:
        """The connection is over: nobody can be told."""
        if self.closed:
            return
        self.closed = True
        for ours in self.outgoing.values():
            ours.end(TransferReason.CLOSED)
        for theirs in self.incoming.values():
            # What is here whole may still be read.
            theirs.end(None if theirs.complete and theirs.most >= 0 else TransferReason.CLOSED)


def nothing() -> None:
    """Nobody wants to know."""
