"""Slow game code must not cost the connection: on real UDP."""

import threading
import time

import pytest
from virtual_game import MESSAGES, Input, Ship

import netcode as nc

pytestmark = [pytest.mark.udp, pytest.mark.usefixtures("driver")]


def serve(server: nc.Server[Input], slow_tick: int, seconds: float) -> None:
    for tick in server:
        if tick.number == slow_tick:
            time.sleep(seconds)  # a level load, say
        for event in tick.events:
            if isinstance(event, nc.Left):
                return


def test_a_slow_tick_of_the_server_longer_than_the_timeout(driver: str) -> None:
    server = nc.Server("127.0.0.1:0", input=Input, messages=MESSAGES)
    server.table(Ship)
    thread = threading.Thread(target=serve, args=(server, 30, 1.5))
    thread.start()
    with nc.connect(
        server.address, input=Input, tables=[Ship], messages=MESSAGES, lost_after=1
    ) as client:
        end = time.monotonic() + 2.6
        while client.connected and time.monotonic() < end:
            client.update(Input())
            time.sleep(1 / 60)
        assert client.connected, client.reason
        assert client.tick > 45
        if driver == "poll":
            assert server.host.keeper is not None
            assert server.host.keeper.rescues > 10
    thread.join(3)
    assert not thread.is_alive()
    assert server.stats.overruns > 60


def test_a_slow_frame_of_the_client_longer_than_the_timeout() -> None:
    server = nc.Server("127.0.0.1:0", input=Input, messages=MESSAGES)
    server.table(Ship)
    thread = threading.Thread(target=serve, args=(server, -1, 0.0))
    thread.start()
    with nc.connect(
        server.address, input=Input, tables=[Ship], messages=MESSAGES, lost_after=1
    ) as client:
        for pause in (0.05, 1.5, 0.1):
            client.update(Input())
            assert client.connected, client.reason
            time.sleep(pause)
        client.update(Input())
        assert client.connected, client.reason
        assert client.tick > 60
    thread.join(3)
    assert not thread.is_alive()
