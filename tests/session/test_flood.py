"""Fifty thousand hostile datagrams a second beside five hundred clients who notice nothing."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from session.crowd import STEP, Address, Crowd
from session.harness import EPOCH, make_server, make_token, request
from session.owned import OwnedServer

CLIENTS = 500
RATE = 50_000


def spoofed_address(rng: random.Random) -> Address:
    return f"{rng.randrange(1, 224)}.{rng.randrange(256)}.{rng.randrange(256)}.7", 40_000


def hostile_pool(crowd: Crowd, rng: random.Random) -> list[tuple[bytes, Address]]:
    """Two thousand of each kind, to be sent again and again."""
    peers = list(crowd.clients)
    one = request(make_token(999_999))
    expired = request(make_token(999_998, unix_now=EPOCH - 100))

    def garbage() -> tuple[bytes, Address]:
        return rng.randbytes(rng.randrange(1400)), spoofed_address(rng)

    def shaped() -> tuple[bytes, Address]:
        """A payload packet in form, from the address of a client."""
        head = bytes([0x25]) + rng.randrange(2**16).to_bytes(2, "little")
        return head + rng.randbytes(rng.randrange(17, 400)), rng.choice(peers)

    def forged() -> tuple[bytes, Address]:
        """A request of the right size, version, protocol and date, from anywhere."""
        return one[:60] + rng.randbytes(len(one) - 60), spoofed_address(rng)

    def neighbour() -> tuple[bytes, Address]:
        """The same from one address."""
        return one[:60] + rng.randbytes(len(one) - 60), ("198.51.100.7", rng.randrange(65_536))

    def stale() -> tuple[bytes, Address]:
        return expired, spoofed_address(rng)

    def replay() -> tuple[bytes, Address]:
        return rng.choice(crowd.captured)

    def elsewhere() -> tuple[bytes, Address]:
        """A client's own request, recorded, from another address."""
        data, _ = rng.choice([pair for pair in crowd.captured[:CLIENTS] if pair[0][0] == 0])
        return data, spoofed_address(rng)

    kinds: list[Callable[[], tuple[bytes, Address]]] = [
        garbage, shaped, forged, neighbour, stale, replay, elsewhere,
    ]  # fmt: skip
    return [kind() for kind in kinds for _ in range(1000)]


def flood(seconds: float, rate: int) -> None:
    rng = random.Random(5)
    crowd = Crowd(CLIENTS, capture=True)
    crowd.talk()
    crowd.step()
    crowd.capture = False
    pool = hostile_pool(crowd, rng)
    newcomer, joined_at = None, None
    start = crowd.now
    for tick in range(round(seconds / STEP)):
        if tick == 4:
            newcomer = crowd.add()
            asked_at = crowd.now
        crowd.talk()
        crowd.step(rng.choices(pool, k=round(rate * STEP)))
        if newcomer is not None and joined_at is None and newcomer.state == 3:
            joined_at = crowd.now
    assert newcomer is not None
    assert joined_at is not None
    assert joined_at - asked_at <= 1.0
    crowd.run(0.2)
    counters = crowd.server.counters
    hostile = round(rate * STEP) * round(seconds / STEP)
    assert counters["datagrams_received"] >= hostile
    for name in ("forged", "replayed", "request_forged", "request_rate", "request_expired",
                 "request_client_connected", "unknown_sender"):  # fmt: skip
        assert counters[name] > 0, name
    assert crowd.got == crowd.sent
    assert all(client.state == 3 for client in crowd.clients.values())
    for index in crowd.server.connected[:CLIENTS]:
        assert crowd.server.stats(index).transport.packets_lost == 0
    assert [type(event).__name__ for event in crowd.events] == ["ClientConnected"]
    assert crowd.now - start >= seconds


def test_a_second_of_flood() -> None:
    flood(1.5, RATE)


def owned(monkeypatch: pytest.MonkeyPatch) -> None:
    """Servers of a Crowd are such as a thread would own."""
    monkeypatch.setattr(
        "session.crowd.make_server", lambda **options: OwnedServer(make_server(**options))
    )


def test_a_second_of_flood_through_the_owner(monkeypatch: pytest.MonkeyPatch) -> None:
    owned(monkeypatch)
    flood(1.5, RATE)


@pytest.mark.soak
def test_five_seconds_of_flood() -> None:
    flood(5, RATE)
