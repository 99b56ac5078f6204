"""Files and streams between Server and Client, with every driver."""

from __future__ import annotations

import asyncio
import io
import random
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from virtual_game import TICK, Chat, Game, Input

import netcode as nc
from netcode.channel import TransferReason
from netcode.testing import Link

MIB = 1 << 20


pytestmark = pytest.mark.usefixtures("owner")


class Line:
    """A game, its client, and what each was offered and accepted."""

    def __init__(self, limit: int = 4 * MIB, **link: Any) -> None:
        self.game = Game()
        if link:
            self.game.links = lambda: (Link(1, **link), Link(2, **link))
        self.client = self.game.connect()
        self.limit = limit
        self.offers: list[nc.IncomingTransfer] = []
        self.got: dict[nc.IncomingTransfer, bytearray] = {}
        self.game.on_event = self.take
        self.run(0.3)
        self.player = self.game.players()[0]

    def take(self, event: object) -> None:
        match event:
            case nc.Offered(transfer):
                self.offers.append(transfer)
                self.got[transfer] = bytearray()
                if self.limit >= 0:
                    transfer.accept(self.limit)

    def read(self) -> None:
        for each, data in self.got.items():
            if each.reason is None:
                data += each.read()

    def run(self, seconds: float) -> list[object]:
        events: list[object] = []
        for _ in range(max(1, round(seconds / TICK))):
            for event in self.game.run(TICK, self.client):
                events.append(event)
                self.take(event)
            self.read()
        return events


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "level.map"
    path.write_bytes(random.Random(5).randbytes(2 * MIB + 77))
    return path


@pytest.mark.parametrize("link", [{}, {"latency": 0.02, "loss": 0.05}])
def test_a_file_goes_both_ways(file: Path, link: dict[str, float]) -> None:
    line = Line(**link)
    size = file.stat().st_size
    sent = [line.player.send_file(file), line.client.send_file(str(file), name="up")]
    line.run(15.0)
    assert [each.name for each in line.offers if each.player is None] == ["level.map"]
    assert [each.name for each in line.offers if each.player is line.player] == ["up"]
    for ours in sent:
        assert ours.done
        assert ours.result() == size
        assert ours.progress == (size, size, size)
    for theirs in line.offers:
        assert theirs.done
        assert theirs.received == theirs.total == size
        assert line.got[theirs] == file.read_bytes()
    assert line.game.server.counters["transfer_malformed"] == 0
    assert line.client.faults == 0


def test_progress_and_cancel_at_the_sender(file: Path) -> None:
    line = Line(latency=0.05)
    ours = line.player.send_file(file)
    assert ours.progress == (0, 0, file.stat().st_size)
    while ours.progress.acked == 0 and not ours.done:
        line.run(TICK)
    assert 0 < ours.progress.acked < ours.progress.sent < file.stat().st_size
    ours.cancel()
    with pytest.raises(nc.TransferFailed, match="cancelled") as failed:
        ours.result()
    assert failed.value.reason == "cancelled"
    line.run(1.0)
    (theirs,) = line.offers
    assert theirs.reason is TransferReason.CANCELLED
    with pytest.raises(nc.TransferFailed):
        theirs.read()
    assert line.player.transfers.idle
    assert line.client.transfers.idle


def test_cancel_at_the_receiver(file: Path) -> None:
    line = Line(latency=0.05)
    ours = line.client.send_file(file)
    line.run(0.6)
    line.offers[0].cancel()
    line.run(0.5)
    assert ours.reason is TransferReason.CANCELLED
    assert line.player.transfers.idle
    assert line.client.transfers.idle


def test_a_receiver_that_does_not_read_holds_up_only_its_transfer() -> None:
    line = Line(limit=-1)
    endless = line.player.send_stream(iter(lambda: bytes(100_000), None), name="endless")
    line.run(0.2)
    line.offers[0].accept(100 * MIB, window=65_536)
    slow, line.got = line.got, {}
    line.run(2.0)
    assert endless.progress.sent == 65_536 == line.offers[0].available
    line.limit = MIB
    quick = line.player.send_stream([b"a", b"", memoryview(b"bc")], name="quick")
    line.player.send(Chat("hello"))
    heard = line.run(0.5)
    assert any(isinstance(each, nc.Received) for each in heard)
    assert quick.done
    assert bytes(line.got[line.offers[1]]) == b"abc"
    line.got = slow
    line.run(1.0)
    assert endless.progress.sent > 200_000


def test_messages_do_not_wait_for_a_file(file: Path) -> None:
    """The line is full of the file; a message waits for what is in flight, not in the queue."""
    line = Line(latency=0.02, rate=250_000, queue_time=1.0)
    line.player.send_stream([bytes(4 * MIB)], name="large")
    line.run(2.0)
    stats = line.player.stats.transport
    assert stats is not None
    assert stats.bytes_queued > 300_000  # more than a second of the line
    sent = line.game.network.now()
    line.player.send(Chat("now"))
    while not any(isinstance(each, nc.Received) for each in line.run(TICK)):
        pass
    assert line.game.network.now() - sent < 0.25


def test_sizes_above_the_limit_fail_at_both_ends(file: Path) -> None:
    line = Line(limit=MIB)
    known = line.client.send_file(file)
    hidden = line.client.send_stream([file.read_bytes()])
    line.run(3.0)
    assert known.reason is TransferReason.TOO_LARGE is hidden.reason
    assert known.progress.sent == 0
    assert line.offers[1].reason is TransferReason.TOO_LARGE


def test_a_source_that_fails_says_why() -> None:
    def broken() -> Iterator[bytes]:
        yield b"abc"
        raise OSError("the disk is gone")

    def text() -> Iterator[Any]:
        yield "text"

    for source, cause in ((broken(), OSError), (text(), TypeError)):
        line = Line()
        ours = line.player.send_stream(source)
        line.run(0.5)
        with pytest.raises(nc.TransferFailed, match="failed") as failed:
            ours.result()
        assert isinstance(failed.value.__cause__, cause)
        assert line.offers[0].reason is TransferReason.FAILED


def test_local_mistakes_raise(file: Path) -> None:
    line = Line(limit=-1)
    for end in (line.client, line.player):
        with pytest.raises(nc.ConfigError, match="stream: a bytes"):
            end.send_stream(b"abc")  # type: ignore[arg-type]
        with pytest.raises(nc.ConfigError, match="file: a int"):
            end.send_file(5)  # type: ignore[arg-type]
        with pytest.raises(FileNotFoundError):
            end.send_file(file.parent / "none")
        with pytest.raises(nc.ConfigError, match="there is no channel 'transfers'"):
            end.send(Chat("x"), channel="transfers")
    ours = line.player.send_file(io.BytesIO(b"abc"), name="x")
    with pytest.raises(RuntimeError, match="not done"):
        ours.result()
    line.run(0.2)
    (theirs,) = line.offers
    with pytest.raises(nc.ConfigError, match="window: 5"):
        theirs.accept(5, window=5)
    with pytest.raises(nc.ConfigError, match="limit: -1"):
        theirs.accept(-1)
    theirs.accept(5)
    with pytest.raises(nc.ConfigError, match="accepted already"):
        theirs.accept(5)
    assert "under way" in repr(theirs)
    line.run(0.2)
    assert ours.result() == 3
    line.client.close()
    with pytest.raises(nc.ConnectionClosed):
        line.client.send_file(file)


def test_what_arrived_whole_survives_the_end_of_the_connection() -> None:
    line = Line()
    ours = line.client.send_stream([b"last words"])
    line.got = {}
    for _ in range(20):
        line.game.run(TICK, line.client)
    (theirs,) = line.offers
    assert theirs.available == 10
    line.client.close()
    line.game.run(0.5)
    assert ours.reason is TransferReason.CLOSED
    assert theirs.read() == b"last words"
    assert theirs.done


def test_malformed_notes_are_strikes() -> None:
    line = Line()
    number = line.client.channels.transfers
    assert number is not None
    for _ in range(16):
        line.client.endpoint.push(number, b"\xff")
        line.client.endpoint.push(0, b"\5\xff")
    line.run(0.5)
    assert line.game.server.counters["transfer_malformed"] >= 16
    assert line.client.reason == "malformed messages"


def test_the_channel_of_transfers_may_be_the_games() -> None:
    chat = nc.ChannelConfig(name="chat")
    mine = nc.ChannelConfig(name="transfers", queue_bytes=MIB, window_bytes=MIB, weight=3)
    game = Game(channels=(chat, mine))
    assert game.server.channels.transfers == 2
    assert game.server.channels.config.channels[2] is mine
    with pytest.raises(nc.ConfigError, match="must be the last"):
        Game(channels=(mine, chat))
    unordered = nc.ChannelConfig(name="transfers", mode=nc.DeliveryMode.UNRELIABLE)
    with pytest.raises(nc.ConfigError, match="must be reliable and ordered"):
        Game(channels=(chat, unordered))
    many = tuple(nc.ChannelConfig(name=str(n)) for n in range(63))
    full = Game(channels=many)
    client = full.connect(channels=many)
    with pytest.raises(nc.ConfigError, match="none is left for transfers"):
        client.send_stream([b"x"])


@pytest.mark.udp
@pytest.mark.parametrize("io", ["poll", "thread"])
def test_asynchronous_streams(io: Any) -> None:
    asyncio.run(asyncio.wait_for(talk(io), 30))


async def talk(io: Any) -> None:
    pieces = [random.Random(n).randbytes(n * 7_000) for n in range(20)]

    async def stream() -> AsyncIterator[bytes]:
        for piece in pieces:
            await asyncio.sleep(0.001)
            yield piece

    async def take(transfer: nc.IncomingTransfer) -> bytes:
        transfer.accept(8 * MIB)
        return b"".join([piece async for piece in transfer])

    tasks: list[asyncio.Task[Any]] = []

    async def serve(server: nc.Server[Input]) -> None:
        async for tick in server:
            for event in tick.events:
                match event:
                    case nc.Joined(player):
                        sending = player.send_stream(stream())
                        tasks.append(asyncio.ensure_future(finish(sending)))
                    case nc.Offered(transfer):
                        tasks.append(asyncio.ensure_future(take(transfer)))

    async def finish(sending: nc.OutgoingTransfer) -> int:
        return await sending

    with nc.Server("127.0.0.1:0", input=Input, io=io) as server:
        serving = asyncio.ensure_future(serve(server))
        async with nc.asyncio.connect(server.address, input=Input) as client:
            tasks.append(asyncio.ensure_future(finish(client.send_stream(stream()))))
            async for _ in client:
                client.update()
                for event in client.events:
                    if isinstance(event, nc.Offered):
                        tasks.append(asyncio.ensure_future(take(event.transfer)))
                if len(tasks) == 4 and all(each.done() for each in tasks):
                    break
            whole = b"".join(pieces)
            results = [each.result() for each in tasks]
            assert sorted(map(str, results)) == sorted(
                map(str, [len(whole), len(whole), whole, whole])
            )
        server.stop()
        await serving
