"""Transfers between two ends without a network: flow, limits, cancel, and hostile notes."""

from __future__ import annotations

import io
import random
import tracemalloc
from collections import deque

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netcode.channel.notes import (
    MAX_DATA,
    UNKNOWN,
    Note,
    NoteKind,
    TransferReason,
    parse_note,
    put_note,
)
from netcode.channel.transfers import MAX_BUSY, MAX_TRANSFERS, WINDOW, Incoming, Transfers
from netcode.errors import ChannelFull, ConfigError, DecodeError


class Bytes:
    """A source that counts what was taken of it."""

    def __init__(self, data: bytes, piece: int = 1 << 20) -> None:
        self.file = io.BytesIO(data)
        self.piece = piece
        self.ready = True
        self.closed = False

    def read(self, most: int) -> bytes | None:
        return self.file.read(min(most, self.piece)) if self.ready else None

    def close(self) -> None:
        self.closed = True


class End:
    """One end: what the channels take, and what was offered."""

    def __init__(self) -> None:
        self.offers: list[Incoming] = []
        self.transfers = Transfers(self.offers.append)
        self.data: deque[bytes] = deque()
        self.notes: deque[bytes] = deque()
        self.room = 64
        self.note_room = 8

    def push_data(self, data: bytes) -> bool:
        if len(self.data) >= self.room:
            return False
        self.data.append(data)
        return True

    def push_note(self, data: bytes) -> bool:
        if len(self.notes) >= self.note_room:
            return False
        self.notes.append(data)
        return True

    def pump(self) -> None:
        self.transfers.pump(self.push_data, self.push_note)


class Pair:
    """Two ends and everything between them, in any order that the channels allow."""

    def __init__(self, seed: int = 1) -> None:
        self.ends = (End(), End())
        self.chance = random.Random(seed)

    def step(self) -> bool:
        ways = []
        for here, there in (self.ends, self.ends[::-1]):
            here.pump()
            ways += [(here.data, there, True)] * bool(here.data)
            ways += [(here.notes, there, False)] * bool(here.notes)
        if not ways:
            return False
        queue, there, data_channel = self.chance.choice(ways)
        there.transfers.receive(queue.popleft(), data_channel=data_channel)
        return True

    def settle(self) -> None:
        while self.step():
            pass


def test_a_file_arrives_whole_and_both_ends_know() -> None:
    pair = Pair()
    a, b = pair.ends
    data = random.Random(3).randbytes(3 * WINDOW + 5)
    source = Bytes(data)
    ours = a.transfers.open("map.bin", len(data), source)
    pair.settle()
    (theirs,) = b.offers
    assert (theirs.name, theirs.total, ours.sent) == ("map.bin", len(data), 0)
    theirs.accept(len(data), WINDOW)
    got = bytearray()
    while not theirs.done:
        pair.settle()
        assert len(theirs.data) <= WINDOW
        got += theirs.read(100_000)
        assert theirs.taken == len(got)
    pair.settle()
    assert bytes(got) == data
    assert ours.done
    assert ours.reason is None is theirs.reason
    assert ours.acked == ours.sent == len(data)
    assert source.closed
    assert a.transfers.idle
    assert b.transfers.idle


@given(
    seed=st.integers(0, 1000),
    sizes=st.lists(st.tuples(st.integers(0, 60_000), st.booleans()), min_size=1, max_size=6),
    most=st.integers(0, 60_000),
    window=st.sampled_from([1024, 5000, WINDOW]),
    room=st.integers(1, 5),
)
def test_any_mixture_ends_and_says_the_truth(
    seed: int, sizes: list[tuple[int, bool]], most: int, window: int, room: int
) -> None:
    pair = Pair(seed)
    chance = random.Random(seed)
    for end in pair.ends:
        end.room, end.note_room = room, room
    sent = {}
    for number, (size, known) in enumerate(sizes):
        end = pair.ends[number % 2]
        data = chance.randbytes(size)
        source = Bytes(data, chance.choice([1, 700, 1 << 20]) if size < 3000 else 5000)
        ours = end.transfers.open("", size if known else None, source)
        sent[end, ours.id] = (data, ours, source)
    got: dict[object, bytearray] = {}
    stopped = set()
    while True:
        busy = pair.step()
        for here, there in (pair.ends, pair.ends[::-1]):
            for theirs in there.offers:
                theirs.accept(most, window)
                key = (here, theirs.id)
                assert len(theirs.data) <= window
                busy = busy or bool(theirs.data)  # taking it may bring a grant
                got.setdefault(key, bytearray()).extend(theirs.read(chance.randrange(1, 9000)))
                if chance.random() < 0.002:
                    stopped.add(key)
                    busy = True
                    if chance.random() < 0.5:
                        theirs.refuse(TransferReason.CANCELLED)
                    else:
                        sent[key][1].stop(TransferReason.CANCELLED)
        if not busy:
            break
    for end in pair.ends:
        assert end.transfers.idle
    for key, (data, ours, source) in sent.items():
        assert ours.done
        assert source.closed
        if ours.reason is None:
            assert got[key] == data
            assert ours.acked == ours.sent == len(data) <= most
        elif key not in stopped:
            assert ours.reason is TransferReason.TOO_LARGE
            assert len(data) > most


def test_nothing_is_sent_before_it_is_accepted() -> None:
    pair = Pair()
    a, b = pair.ends
    ours = a.transfers.open("x", None, Bytes(b"abc"))
    pair.settle()
    assert ours.sent == 0
    assert b.offers[0].received == 0
    b.offers[0].refuse(TransferReason.CANCELLED)
    pair.settle()
    assert ours.reason is TransferReason.CANCELLED
    assert a.transfers.idle


def test_an_empty_file_is_one_too() -> None:
    for total in (0, None):
        pair = Pair()
        ours = pair.ends[0].transfers.open("", total, Bytes(b""))
        pair.settle()
        (theirs,) = pair.ends[1].offers
        theirs.accept(0, WINDOW)
        pair.settle()
        assert ours.done
        assert theirs.done
        assert ours.reason is None is theirs.reason


def test_a_stream_may_be_as_large_as_the_limit_and_not_larger() -> None:
    for most, well in ((WINDOW + WINDOW // 8, True), (WINDOW + WINDOW // 8 - 1, False)):
        pair = Pair()
        a, b = pair.ends
        ours = a.transfers.open("", None, Bytes(bytes(WINDOW + WINDOW // 8)))
        pair.settle()
        (theirs,) = b.offers
        theirs.accept(most, WINDOW)
        while not ours.done:
            assert pair.step() or theirs.read(1 << 16)
        assert (ours.reason is None) == well
        assert ours.reason in (None, TransferReason.TOO_LARGE)


def test_a_size_beyond_the_limit_is_refused_before_a_byte() -> None:
    pair = Pair()
    ours = pair.ends[0].transfers.open("", 1 << 40, Bytes(b""))
    pair.settle()
    pair.ends[1].offers[0].accept(1 << 20, WINDOW)
    pair.settle()
    assert ours.reason is TransferReason.TOO_LARGE
    assert ours.sent == 0


def test_a_source_that_fails_or_is_short_gives_up() -> None:
    class Broken(Bytes):
        def read(self, most: int) -> bytes:
            raise OSError("gone")

    for source in (Broken(b""), Bytes(b"ab")):
        pair = Pair()
        ours = pair.ends[0].transfers.open("", 3, source)
        pair.settle()
        (theirs,) = pair.ends[1].offers
        theirs.accept(10, WINDOW)
        pair.settle()
        assert ours.reason is TransferReason.FAILED is theirs.reason
        assert isinstance(ours.error, OSError) == isinstance(source, Broken)
        assert source.closed
        assert pair.ends[0].transfers.idle
        assert pair.ends[1].transfers.idle


def test_one_that_waits_does_not_hold_up_the_others() -> None:
    pair = Pair()
    a, b = pair.ends
    slow = Bytes(b"slow")
    slow.ready = False
    a.transfers.open("slow", None, slow)
    quick = a.transfers.open("quick", 5, Bytes(b"quick"))
    pair.settle()
    for each in b.offers:
        each.accept(100, WINDOW)
    pair.settle()
    assert b.offers[1].read(10) == b"quick"
    pair.settle()
    assert quick.done
    slow.ready = True
    pair.settle()
    assert b.offers[0].read(10) == b"slow"


def test_how_many_may_be_under_way() -> None:
    pair = Pair()
    a, b = pair.ends
    for _ in range(MAX_TRANSFERS):
        a.transfers.open("", 1, Bytes(b"1"))
    with pytest.raises(ChannelFull, match="16 transfers"):
        a.transfers.open("", 1, Bytes(b"1"))
    pair.settle()
    assert len(b.offers) == MAX_TRANSFERS


def test_one_that_opens_more_hears_that_the_other_is_busy() -> None:
    end = End()
    for number in range(1, MAX_TRANSFERS + MAX_BUSY + 1):
        end.transfers.receive(put_note(Note(NoteKind.OPEN, number)), data_channel=True)
    assert len(end.offers) == MAX_TRANSFERS
    end.note_room = 1000
    end.pump()
    assert {parse_note(each).a for each in end.notes} == {TransferReason.BUSY}
    assert len(end.notes) == MAX_BUSY


def test_one_that_opens_over_and_over_is_malformed() -> None:
    end = End()
    for number in range(1, MAX_TRANSFERS + MAX_BUSY + 1):
        end.transfers.receive(put_note(Note(NoteKind.OPEN, number)), data_channel=True)
    one_more = put_note(Note(NoteKind.OPEN, MAX_TRANSFERS + MAX_BUSY + 1))
    with pytest.raises(DecodeError, match="over and over"):
        end.transfers.receive(one_more, data_channel=True)


def test_names_and_sizes_have_limits() -> None:
    end = End()
    with pytest.raises(ConfigError, match="name: 201 bytes, must be at most 200"):
        end.transfers.open("x" * 201, None, Bytes(b""))
    with pytest.raises(ConfigError, match="total: -1"):
        end.transfers.open("", -1, Bytes(b""))


def opened(total: int = UNKNOWN, window: int = 2048) -> End:
    end = End()
    end.transfers.receive(put_note(Note(NoteKind.OPEN, 1, total)), data_channel=True)
    end.offers[0].accept(1 << 30, window)
    return end


@pytest.mark.parametrize(
    ("notes", "why"),
    [
        ([Note(NoteKind.OPEN, 3, 5)], "in turn"),
        ([Note(NoteKind.OPEN, 2, 5, data=b"\xff")], "not UTF-8"),
        ([Note(NoteKind.DATA, 2, data=b"x")], "never opened"),
        ([Note(NoteKind.DATA, 0, data=b"x")], "never opened"),
        ([Note(NoteKind.DATA, 1, data=bytes(2049))], "beyond what was granted"),
        ([Note(NoteKind.DATA, 1, data=bytes(2000))] * 2, "beyond what was granted"),
        ([Note(NoteKind.END, 1), Note(NoteKind.END, 1)], None),
        ([Note(NoteKind.DATA, 1, data=b"x"), Note(NoteKind.END, 1), Note(NoteKind.END, 1)],
         "after its end"),
        ([Note(NoteKind.GRANT, 1)], "wrong channel"),
    ],
)  # fmt: skip
def test_notes_that_make_no_sense_to_a_receiver(notes: list[Note], why: str | None) -> None:
    end = opened()
    for note in notes[:-1]:
        end.transfers.receive(put_note(note), data_channel=True)
    if why is None:  # it was over: late notes are not wrong
        end.transfers.receive(put_note(notes[-1]), data_channel=True)
        return
    with pytest.raises(DecodeError, match=why):
        end.transfers.receive(put_note(notes[-1]), data_channel=True)


def test_a_size_that_was_a_lie_is_malformed() -> None:
    with pytest.raises(DecodeError, match="more than it said"):
        opened(3).transfers.receive(put_note(Note(NoteKind.DATA, 1, data=b"four")),
                                    data_channel=True)  # fmt: skip
    with pytest.raises(DecodeError, match="less than it said"):
        opened(3).transfers.receive(put_note(Note(NoteKind.END, 1)), data_channel=True)


@pytest.mark.parametrize(
    "note",
    [
        Note(NoteKind.GRANT, 2, 0, 5),
        Note(NoteKind.GRANT, 1, 1, 5),
        Note(NoteKind.DONE, 1),
        Note(NoteKind.REFUSE, 9),
        Note(NoteKind.OPEN, 1),
    ],
)
def test_notes_that_make_no_sense_to_a_sender(note: Note) -> None:
    end = End()
    end.transfers.open("", None, Bytes(b"abc"))
    end.pump()
    with pytest.raises(DecodeError):
        end.transfers.receive(put_note(note), data_channel=False)


def test_grants_do_not_go_back() -> None:
    end = End()
    end.transfers.open("", None, Bytes(bytes(100)))
    end.transfers.receive(put_note(Note(NoteKind.GRANT, 1, 0, 50)), data_channel=False)
    end.pump()
    with pytest.raises(DecodeError, match="goes back"):
        end.transfers.receive(put_note(Note(NoteKind.GRANT, 1, 0, 49)), data_channel=False)


@given(st.binary(max_size=60), st.booleans())
def test_any_bytes_are_a_note_or_a_decode_error(data: bytes, data_channel: bool) -> None:
    end = opened()
    end.transfers.open("", None, Bytes(b"abc"))
    end.pump()
    try:
        end.transfers.receive(data, data_channel=data_channel)
    except DecodeError:
        return
    assert put_note(parse_note(data)) == data


@given(st.sampled_from(NoteKind), st.integers(0, 2**32 - 1), st.data())
def test_notes_survive_the_wire(kind: NoteKind, ident: int, data: st.DataObject) -> None:
    note = Note(kind, ident)
    if kind is NoteKind.OPEN:
        note = Note(kind, ident, data.draw(st.integers(0, UNKNOWN)), data=b"name")
    elif kind is NoteKind.DATA:
        note = Note(kind, ident, data=bytes(data.draw(st.integers(1, MAX_DATA))))
    elif kind is NoteKind.GRANT:
        note = Note(kind, ident, 5, 2**63)
    elif kind in (NoteKind.STOP, NoteKind.REFUSE):
        note = Note(kind, ident, data.draw(st.sampled_from(TransferReason)))
    assert parse_note(put_note(note)) == note
    for cut in range(5):
        with pytest.raises(DecodeError):
            parse_note(put_note(note)[:cut])


def test_an_announced_size_allocates_nothing() -> None:
    end = End()
    tracemalloc.start()
    for number in range(1, MAX_TRANSFERS + 1):
        note = Note(NoteKind.OPEN, number, UNKNOWN - 1)
        end.transfers.receive(put_note(note), data_channel=True)
        end.offers[-1].accept(UNKNOWN, 1 << 30)
    assert tracemalloc.get_traced_memory()[1] < 200_000
    tracemalloc.stop()


def test_the_end_of_the_connection_ends_all() -> None:
    pair = Pair()
    a, b = pair.ends
    source = Bytes(b"abc")
    ours = a.transfers.open("", None, source)
    pair.settle()
    for end in pair.ends:
        end.transfers.close()
        end.transfers.close()
    assert ours.reason is TransferReason.CLOSED is b.offers[0].reason
    assert source.closed
