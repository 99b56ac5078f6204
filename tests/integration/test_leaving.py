"""However the loop is left, the tick is flushed and the clients are told: on real UDP."""

import asyncio
import gc
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
import warnings

import pytest
from virtual_game import MESSAGES, Chat, Input, Ship

import netcode as nc

pytestmark = [pytest.mark.udp, pytest.mark.usefixtures("driver")]


def make() -> nc.Server[Input]:
    return nc.Server("127.0.0.1:0", input=Input, messages=MESSAGES, tick_rate=200)


def join(server: nc.Server[Input]) -> nc.asyncio.Connect[Input]:
    return nc.asyncio.connect(
        server.address, input=Input, tables=[Ship], messages=MESSAGES, interpolation_delay=0.0
    )


class OnThread:
    """Runs a server loop with ``leave(tick)`` in its body on another thread, with one client."""

    def __init__(self, leave) -> None:
        import threading

        self.server = make()
        self.ships = self.server.table(Ship)
        self.leave = leave
        self.error: BaseException | None = None
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self) -> None:
        try:
            for tick in self.server:
                for event in tick.events:
                    if isinstance(event, nc.Message):
                        self.server.broadcast(Chat("last words"))
                        self.leave(tick)
                        return
        except BaseException as error:
            self.error = error


def last_events(running: OnThread) -> list[object]:
    """What a client hears after it made the loop end."""
    with nc.connect(
        running.server.address, input=Input, tables=[Ship], messages=MESSAGES
    ) as client:
        client.send(Chat("go"))
        events: list[object] = []
        end = time.monotonic() + 3
        while client.connected and time.monotonic() < end:
            client.update(Input())
            events += client.events
            time.sleep(0.005)
    running.thread.join(3)
    assert not running.thread.is_alive()
    assert running.server.closed
    return events


EXPECTED = [
    nc.Received(Chat("last words")),
    nc.Disconnected("the server closed", nc.CloseReason.SERVER_CLOSED),
]


def stripped(events: list[object]) -> list[object]:
    return [nc.Received(e.message) if isinstance(e, nc.Received) else e for e in events]


def test_return_from_the_loop() -> None:
    assert stripped(last_events(OnThread(lambda tick: None))) == EXPECTED


def test_an_exception_in_the_loop() -> None:
    def fail(tick: object) -> None:
        raise ZeroDivisionError

    running = OnThread(fail)
    assert stripped(last_events(running)) == EXPECTED
    assert isinstance(running.error, ZeroDivisionError)


def test_ctrl_c_in_the_loop() -> None:
    def interrupt(tick: object) -> None:
        raise KeyboardInterrupt

    running = OnThread(interrupt)
    assert stripped(last_events(running)) == EXPECTED
    assert isinstance(running.error, KeyboardInterrupt)


def test_a_bad_value_in_the_last_tick_still_tells_the_clients() -> None:
    running = OnThread(lambda tick: running.ships.spawn(Ship()))
    running.leave = lambda tick: running.ships.hp.__setitem__(
        running.ships.slot(running.ships.spawn(Ship())), 101
    )
    events = stripped(last_events(running))
    assert events[-1] == EXPECTED[-1]


def test_with_blocks_and_break() -> None:
    with make() as server:
        for tick in server:
            if tick.number == 3:
                break
        assert server.closed
    with make() as server:
        pass
    assert server.closed
    server.close()


def test_stop_ends_the_loop_after_its_tick() -> None:
    server = make()
    seen = []
    for tick in server:
        seen.append(tick.number)
        server.stop()
    assert seen == [1]
    assert server.closed


def test_a_dropped_iterator_closes() -> None:
    server = make()
    loop = iter(server)
    next(loop)
    del loop
    gc.collect()
    assert server.closed


def test_a_plain_for_inside_an_event_loop_says_what_to_use() -> None:
    async def main() -> None:
        with make() as server:
            with pytest.raises(nc.ConfigError, match="async for tick in server"):
                for _ in server:
                    pass
            with pytest.raises(nc.ConfigError, match="asyncio"):
                nc.connect(server.address)

    asyncio.run(main())


def test_an_asyncio_server_and_client_talk() -> None:
    async def serve(server: nc.Server[Input], ships: nc.Table[Ship], replies: list) -> None:
        tasks = set()

        async def ask(player: nc.Player[Input]) -> None:
            replies.append(await player.request(Chat("name?"), timeout=2.0))

        async for tick in server:
            for event in tick.events:
                match event:
                    case nc.Joined(player):
                        player.entity = ships.spawn(Ship(x=5.0), owner=player)
                        tasks.add(asyncio.create_task(ask(player)))
                    case nc.Message(_, Chat() as chat) if event.is_request:
                        event.reply(Chat(chat.text.upper()))
            if server.stats.ticks and not server.players and replies:
                break

    async def main() -> None:
        server = make()
        ships = server.table(Ship)
        replies: list = []
        serving = asyncio.create_task(serve(server, ships, replies))
        await asyncio.sleep(0)
        async with join(server) as client:
            assert "connected" in repr(client)
            answer = await client.request(Chat("hello"), timeout=2.0)
            assert answer == Chat("HELLO")
            async for _ in client:
                client.update(Input(thrust=True))
                for event in client.events:
                    if isinstance(event, nc.Received) and event.is_request:
                        event.reply(Chat("bob"))
                if client.tick > 20 and replies:
                    break
            (entity,) = client.view(Ship)
            assert entity.mine
        await asyncio.wait_for(serving, 3)
        assert replies == [Chat("bob")]
        assert server.closed

    asyncio.run(asyncio.wait_for(main(), 10))


def test_breaking_out_of_async_for_and_cancelling_close() -> None:
    async def broken() -> nc.Server[Input]:
        server = make()
        async for _ in server:
            break
        assert server.closed
        return server

    async def cancelled() -> None:
        server = make()
        server.table(Ship)

        async def run() -> None:
            async for _ in server:
                pass

        task = asyncio.create_task(run())
        await asyncio.sleep(0.05)
        client = await join(server)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert server.closed
        end = time.monotonic() + 2
        while client.connected and time.monotonic() < end:
            client.update()
            await asyncio.sleep(0.005)
        assert client.reason == "the server closed"
        client.close()

    asyncio.run(broken())
    asyncio.run(cancelled())


def test_an_interpreter_that_just_ends_tells_its_clients(driver: str) -> None:
    code = textwrap.dedent(
        f"""
        import sys
        sys.path[:0] = {sys.path!r}
        import netcode as nc
        from virtual_game import Input, Ship
        server = nc.Server("127.0.0.1:0", input=Input, io={driver!r})
        server.table(Ship)
        print(server.address, flush=True)
        loop = iter(server)
        for tick in loop:
            if any(isinstance(event, nc.Joined) for event in tick.events):
                keep = loop, server
                sys.exit(3)
        """
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        with nc.connect(address, input=Input, tables=[Ship]) as client:
            end = time.monotonic() + 3
            while client.connected and time.monotonic() < end:
                client.update(Input())
                time.sleep(0.01)
            assert client.reason == "the server closed"
        assert process.wait(5) == 3


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_child_does_not_speak_for_its_parent() -> None:
    with make() as server:
        server.start()
        with warnings.catch_warnings():  # the keeper is a thread, which newer Pythons warn of
            warnings.simplefilter("ignore", DeprecationWarning)
            child = os.fork()
        if child == 0:
            from netcode.server import close_all

            close_all()
            os._exit(0 if not server.closed else 1)
        assert os.waitpid(child, 0)[1] == 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.parametrize("who", ["client", "server"])
def test_a_forked_child_that_closes_ends_nothing(who: str) -> None:
    """A child that unwinds a ``with`` has the parent's keys, sequences and socket."""
    with make() as server:
        server.table(Ship)
        thread = threading.Thread(target=lambda: [None for _ in server])
        thread.start()
        with nc.connect(server.address, input=Input, tables=[Ship], messages=MESSAGES) as client:
            client.update(Input())
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)
                child = os.fork()
            if child == 0:
                try:
                    (client if who == "client" else server).close()
                    client.host.pump()
                finally:
                    os._exit(0)
            assert os.waitpid(child, 0)[1] == 0
            end = time.monotonic() + 0.3
            while time.monotonic() < end:
                client.update(Input())
                assert client.connected, client.reason
                time.sleep(0.01)
            assert server.counters["disconnected"] == 0
            server.stop()
        thread.join(3)


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGINT to a child here")
def test_ctrl_c_while_the_loop_waits(driver: str) -> None:
    code = textwrap.dedent(
        f"""
        import sys
        sys.path[:0] = {sys.path!r}
        import netcode as nc
        from virtual_game import Input, Ship
        server = nc.Server("127.0.0.1:0", input=Input, tick_rate=2, io={driver!r})
        server.table(Ship)
        print(server.address, flush=True)
        try:
            for tick in server:
                pass
        except KeyboardInterrupt:
            sys.exit(4)
        """
    )
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        address = server.stdout.readline().strip()
        with nc.connect(address, input=Input, tables=[Ship]) as client:
            server.send_signal(signal.SIGINT)
            end = time.monotonic() + 3
            while client.connected and time.monotonic() < end:
                client.update(Input())
                time.sleep(0.01)
            assert client.reason == "the server closed"
        assert server.wait(5) == 4


def test_an_asyncio_client_hears_the_last_words() -> None:
    async def main() -> None:
        server = make()
        server.table(Ship)

        async def serve() -> None:
            async for tick in server:
                if tick.number > 20 and server.players:
                    server.broadcast(Chat("last words"))
                    return

        task = asyncio.create_task(serve())
        await asyncio.sleep(0)
        heard: list[object] = []
        async with join(server) as client:
            async for _ in client:
                client.update(Input())
                heard += client.events
        assert stripped(heard) == EXPECTED
        async with asyncio.timeout(2):
            await task

    asyncio.run(main())


def test_the_end_between_two_turns_gets_a_turn() -> None:
    """Not only what the loop's own poll brings: the reader polls while it yields."""

    async def main() -> None:
        server = make()
        server.table(Ship)

        async def serve() -> None:
            async for _ in server:
                pass

        task = asyncio.create_task(serve())
        await asyncio.sleep(0)
        heard: list[object] = []
        async with join(server) as client:
            async for _ in client:
                client.update(Input())
                heard += client.events
                if server.players and not server.closed:
                    server.broadcast(Chat("last words"))
                    server.close()
                    assert client.host.transport.wait(2.0)
                    asyncio.get_running_loop().call_soon(client.poll)
        assert stripped(heard) == EXPECTED
        task.cancel()

    asyncio.run(main())
