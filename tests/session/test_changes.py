"""What becomes of connections when the world around them changes: each a defined outcome."""

from __future__ import annotations

import math
from typing import Any

import pytest
from session import harness
from session.crowd import RELIABLE, STEP, Crowd
from session.harness import EPOCH, SERVER, make_token, opened, reasons, request, sealed
from session.owned import OwnedServer

from netcode.security import PacketType
from netcode.session import ClientConnected, ClientDisconnected, DatagramBatch, DisconnectReason

OTHER = ("10.9.0.1", 1234)


@pytest.fixture(autouse=True, params=["endpoint", "desk"])
def make_server(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Servers whose core the game drives, and such as a thread would own."""
    if request.param == "endpoint":
        return harness.make_server

    def owned(**options: Any) -> OwnedServer:
        return OwnedServer(harness.make_server(**options))

    monkeypatch.setattr("session.crowd.make_server", owned)
    return owned


def left(crowd: Crowd) -> list[tuple[int, DisconnectReason]]:
    return [(e.index, e.reason) for e in crowd.events if isinstance(e, ClientDisconnected)]


def say(crowd: Crowd) -> None:
    crowd.talk()
    crowd.step()
    crowd.step()
    assert crowd.got == crowd.sent


# A peer that changes its address


def test_a_new_address_is_nobody_until_the_old_one_timed_out() -> None:
    """The standard has no migration: the token's holder comes back with a new token."""
    crowd = Crowd(3)
    address, client = next(iter(crowd.clients.items()))
    client_id = crowd.server.client(client.client_index).client_id
    del crowd.clients[address]
    crowd.clients[OTHER] = client
    crowd.run(1)
    assert reasons(crowd.server).keys() == {"unknown_sender"}
    again = crowd.add(client_id=client_id)  # the same player with a fresh token, too early
    crowd.run(1)
    assert again.state == 1
    assert crowd.server.counters["request_client_connected"] > 0
    crowd.run(4)
    assert left(crowd) == [(0, DisconnectReason.TIMEOUT)]
    assert client.state == -4  # it heard nothing at its new address either
    assert again.state == 3
    say(crowd)


def test_the_old_token_does_not_work_from_the_new_address(make_server: Any) -> None:
    server, token = make_server(), make_token()
    peer = ("10.1.0.1", 50000)
    server.receive_datagram(request(token), peer, 0)
    server.send(0)
    server.receive_datagram(request(token), OTHER, 0)
    assert reasons(server) == {"request_token_elsewhere": 1}
    assert len(server.send(0)) == 0


# Clients that vanish


def test_a_client_that_vanishes_times_out_and_nothing_more_is_sent_to_it() -> None:
    crowd = Crowd(3)
    address, client = next(iter(crowd.clients.items()))
    del crowd.clients[address]
    crowd.server.push(client.client_index, RELIABLE, b"never arrives")
    crowd.run(4.8)
    assert left(crowd) == []
    crowd.run(0.4)
    assert left(crowd) == [(client.client_index, DisconnectReason.TIMEOUT)]
    for _ in range(20):
        assert all(to != address for _, to in crowd.server.send(crowd.now))
        crowd.step()
    say(crowd)


@pytest.mark.parametrize("goodbye", [False, True])
def test_400_of_500_leave_in_one_tick(goodbye: bool) -> None:
    crowd = Crowd(500)
    leavers = list(crowd.clients.items())[:400]
    for address, client in leavers:
        if goodbye:
            client.disconnect()
        else:
            del crowd.clients[address]
    stayed = [(a, c) for a, c in crowd.clients.items() if c.state == 3]
    for _ in range(110):
        crowd.talk()
        crowd.step()
        if goodbye or crowd.now > 5.3:
            break
    reason = DisconnectReason.CLOSED_BY_PEER if goodbye else DisconnectReason.TIMEOUT
    assert {index for index, _ in left(crowd)} == {c.client_index for _, c in leavers}
    assert {why for _, why in left(crowd)} == {reason}
    assert len(left(crowd)) == 400
    assert len(crowd.server.connected) == 100
    crowd.step()
    assert all(client.state == 3 for _, client in stayed)
    for index in crowd.server.connected:
        assert crowd.server.stats(index).transport.packets_lost == 0
    # Their slots serve the next.
    for address, _ in leavers:
        crowd.clients.pop(address, None)
    crowd.got.clear()
    crowd.sent.clear()
    crowd.events.clear()
    newcomers = [crowd.add() for _ in range(500)]
    crowd.run(0.5)
    assert all(client.state == 3 for client in newcomers)
    assert len([e for e in crowd.events if isinstance(e, ClientConnected)]) == 500
    say(crowd)


def test_all_time_out_in_one_update() -> None:
    crowd = Crowd(400)
    crowd.clients.clear()
    crowd.now += 10
    crowd.server.update(crowd.now)
    assert len(crowd.server.events()) == 400
    assert crowd.server.connected == []
    crowd.server.update(crowd.now)  # a desk's owner hears now which slots are free again
    assert crowd.server.next_deadline == math.inf


# A server that comes back on the same port


def test_restart(make_server: Any) -> None:
    crowd = Crowd(5)
    old = list(crowd.clients.values())
    tokens: list[Any] = [client.config.token for client in old]
    crowd.run(1)
    before = crowd.now
    crowd.server = make_server(
        seed=2, max_clients=200, channels=crowd.server.config.channels, max_token_lifetime=30
    )
    for number, token in enumerate(tokens):
        crowd.server.receive_datagram(request(token), ("10.8.0.9", number + 1), before)
    assert reasons(crowd.server) == {"request_before_start": 5}
    crowd.step()
    # Old clients are strangers: not an answer, and after their timeout they know.
    assert len(crowd.server.send(crowd.now)) == 0
    crowd.run(5.2)
    assert [client.state for client in old] == [-4] * 5
    assert crowd.server.connected == []
    crowd.clients.clear()
    crowd.sent.clear()
    fresh = [crowd.add(client_id=number) for number in range(5)]  # the same players
    crowd.run(0.3)
    assert [client.state for client in fresh] == [3] * 5
    say(crowd)


def test_a_challenge_of_the_server_before_is_refused(make_server: Any) -> None:
    first, second = make_server(seed=1), make_server(seed=2)
    token, peer = make_token(), ("10.1.0.1", 50000)
    first.receive_datagram(request(token), peer, 0)
    body = opened(token, first.send(0)[0][0]).body
    second.receive_datagram(request(token), peer, 0)
    second.send(0)
    second.receive_datagram(sealed(token, PacketType.RESPONSE, 1, body), peer, 0)
    assert reasons(second) == {"challenge_forged": 1}


# The clock


def test_the_clock_jumps_forward() -> None:
    """Who is heard in the first turn after it stays; who is not has been silent too long."""
    crowd = Crowd(20)
    quiet = list(crowd.clients)[:5]
    gone = {crowd.clients.pop(address).client_index for address in quiet}
    crowd.talk()
    crowd.now += 3600
    for client in crowd.clients.values():
        client.receive_datagram(b"", SERVER, 0)  # their clock did not jump
    batch_now, crowd.now = crowd.now, crowd.now - 3600
    batch = DatagramBatch()
    for address, client in crowd.clients.items():
        for data, _ in client.send(crowd.now):
            batch.append(data, address)
    crowd.server.receive(batch, batch_now)
    crowd.server.update(batch_now)
    events = crowd.server.events()
    assert {event.index for event in events} == gone
    assert len(crowd.server.connected) == 15
    assert len(crowd.server.messages()) == 15


def test_the_clock_goes_back() -> None:
    """Time stands still until the clock has caught up; what comes and goes still does."""
    crowd = Crowd(5)
    crowd.run(1)
    crowd.now -= 0.5
    for _ in range(20):
        crowd.talk()
        crowd.step()
    crowd.step()
    assert crowd.got == crowd.sent
    assert left(crowd) == []
    assert all(client.state == 3 for client in crowd.clients.values())
    crowd.run(6)
    assert len(crowd.server.connected) == 5


def test_the_calendar_jumps() -> None:
    """Only tokens live by unix time: connections do not notice, and what expired stays so."""
    crowd = Crowd(5)
    crowd.server.epoch = EPOCH + 86_400
    crowd.step()
    say(crowd)
    late = crowd.add()
    crowd.run(0.5)
    assert late.state == 1
    assert crowd.server.counters["request_expired"] > 0
    crowd.server.epoch = EPOCH
    crowd.run(0.5)
    assert late.state == 1
    ahead = crowd.add(unix_now=EPOCH + 86_400 + crowd.now)
    crowd.run(0.5)
    assert ahead.state == 3
    assert crowd.now > 20 * STEP
