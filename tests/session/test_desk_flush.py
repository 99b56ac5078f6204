"""When the owner of a core carries out and sends what the game flushed."""

from __future__ import annotations

import contextlib

import pytest
from session.test_desk import RELIABLE, UNRELIABLE, Table, spoken

from netcode.errors import ConnectionClosed


@pytest.mark.parametrize("last", ["flush", "disconnect"])
def test_a_flush_waits_for_what_was_put_in_before_it_and_for_nothing_else(last: str) -> None:
    """An owner that never gets done with acks and keep-alives still hears the game."""
    table = Table(4)
    table.run(0.5)
    table.limit = 1
    desk = table.desk

    def busy_turn() -> None:
        # Everybody has something to be told in every turn, of which one is.
        table.now += 0.15
        for client in table.clients.values():
            with contextlib.suppress(ConnectionClosed):
                client.push(RELIABLE, b"more work")
        table.owner()
        desk.take()
        desk.messages()

    for _ in range(20):
        busy_turn()
    for number in range(5):
        desk.push(0, RELIABLE, b"%d" % number)
        desk.flush()
    if last == "disconnect":
        desk.disconnect(1)
        desk.flush()
    for _ in range(5 * 4 + 4):
        busy_turn()
    first, second = list(table.clients.values())[:2]
    assert [data for _, data in spoken(first)] == [b"%d" % number for number in range(5)]
    assert (int(second.state) == 0) == (last == "disconnect")


def test_while_the_socket_takes_nothing_nothing_is_sealed_and_the_game_goes_on() -> None:
    table = Table(2)
    table.run(0.5)
    desk = table.desk
    table.limit = 2**32 - 1  # what the I/O thread says then
    before = desk.counters["datagrams_sent"]
    for number in range(40):
        desk.push_many([0, 1], RELIABLE, b"%d" % number)
        desk.flush()
        table.step()
    assert desk.counters["datagrams_sent"] == before
    table.limit = 0
    table.run(1.0)
    for client in table.clients.values():
        assert [data for _, data in spoken(client)] == [b"%d" % number for number in range(40)]


def test_the_deadline_is_now_while_commands_wait() -> None:
    """Turns taken until the deadline lies ahead carry out all that was flushed, and send it."""
    table = Table(2)
    table.run(0.5)
    desk, now = table.desk, table.now
    desk.turn(None, now)
    assert desk.next_deadline > now
    for _ in range(3000):  # some turns of the owner, of which only the last one sends
        desk.push_frame(0, 0x41, b"")
    desk.push(1, UNRELIABLE, b"the last")
    assert desk.next_deadline > now  # nobody has flushed
    desk.flush()
    assert desk.next_deadline <= now
    sent = []
    for _ in range(10):
        sent.append([to for _, to in desk.turn(None, now)])
        if desk.next_deadline > now:
            break
    assert desk.next_deadline > now
    assert sent[0] == []
    assert {to for each in sent for to in each} == set(table.clients)
