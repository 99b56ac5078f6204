"""What a server sends to an address that has not proved itself: the table of the security model."""

from __future__ import annotations

from pathlib import Path

import pytest
from session.harness import SERVER, make_server, make_token, opened, request, sealed

from netcode.session import ServerEndpoint

VICTIM = ("198.51.100.7", 53)
OTHER = ("198.51.100.8", 53)
PAGE = Path(__file__).parents[2] / "docs" / "explanation" / "security-model.md"


def answered(server: ServerEndpoint, data: bytes, source: tuple[str, int], now: float = 0.0) -> int:
    """Bytes of all that the server sends for one datagram, also in the next minute."""
    server.receive_datagram(data, source, now)
    total = 0
    for moment in (now, now + 1, now + 60):
        server.update(moment)
        batch = list(server.send(moment))
        assert all(address == source for _, address in batch)
        total += sum(len(each) for each, _ in batch)
    return total


def test_a_valid_request_gets_one_challenge() -> None:
    data = request(make_token())
    assert (len(data), answered(make_server(), data, VICTIM)) == (1078, 333)


def test_the_same_token_from_elsewhere_gets_nothing() -> None:
    server, data = make_server(), request(make_token())
    server.receive_datagram(data, OTHER, 0.0)
    server.send(0.0)
    assert answered(server, data, VICTIM) == 0
    assert server.counters["request_token_elsewhere"] == 1


def test_a_full_server_answers_with_a_denial() -> None:
    server = make_server(max_clients=1)
    first = make_token(1)
    server.receive_datagram(request(first), OTHER, 0.0)
    ((challenge, _),) = server.send(0.0)
    body = opened(first, challenge).body
    server.receive_datagram(sealed(first, 3, 0, body), OTHER, 0.0)
    server.events()
    server.send(0.0)
    server.receive_datagram(request(make_token(2)), VICTIM, 0.0)
    assert [len(data) for data, address in server.send(0.0) if address == VICTIM] == [25]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        bytes(1078),
        bytes(1200),
        request(make_token(private_key=bytes(range(1, 33)))),
        request(make_token(protocol_id=1)),
        request(make_token(unix_now=1e9)),
        request(make_token(servers=["192.0.2.1:1"])),
        sealed(make_token(), 3, 0, bytes(308)),
        sealed(make_token(), 5, 0, bytes(1200)),
        sealed(make_token(), 6, 0),
    ],
    ids=lambda data: f"{len(data)} bytes",
)
def test_all_else_gets_nothing(data: bytes) -> None:
    assert answered(make_server(addresses=[SERVER]), data, VICTIM) == 0


def test_the_page_has_these_numbers() -> None:
    text = PAGE.read_text(encoding="utf-8")
    for line in ("| 1,078 | 333 | 0.31 |", "| 1,078 | 25 | 0.02 |"):
        assert line in text
    assert (round(333 / 1078, 2), round(25 / 1078, 2)) == (0.31, 0.02)
