import pytest

from netcode.errors import ConfigError
from netcode.io.conditioned import ConditionedTransport, Outgoing
from netcode.io.memory import MemoryNetwork


class Delay:
    """The smallest link: everything arrives ``latency`` later."""

    def __init__(self, latency: float) -> None:
        self.latency = latency
        self.waiting: list[tuple[float, bytes, tuple[str, int]]] = []

    @property
    def next_deadline(self) -> float:
        return self.waiting[0][0] if self.waiting else float("inf")

    def push(self, data, tag, now):
        self.waiting.append((now + self.latency, data, tag))

    def pop(self, now):
        due = [(data, tag) for time, data, tag in self.waiting if time <= now]
        self.waiting = self.waiting[len(due) :]
        return due


def test_waiting_moves_virtual_time_and_stops_at_arrival() -> None:
    net = MemoryNetwork()
    a, b = net.bind(("10.0.0.1", 1)), net.bind(("10.0.0.2", 0))
    assert not a.wait(0.5)
    assert net.now() == pytest.approx(0.5)
    net.background.append(lambda: b.send(Outgoing([(b"hi", a.address)])))
    assert a.wait(1.0)
    assert net.now() == pytest.approx(0.501)
    got = Outgoing(())
    a.receive_into(got)
    assert got.items == [(b"hi", b.address)]


def test_taken_addresses_and_dead_peers() -> None:
    net = MemoryNetwork()
    a = net.bind(("10.0.0.1", 1))
    with pytest.raises(ConfigError, match="already in use"):
        net.bind(("10.0.0.1", 1))
    a.send(Outgoing([(b"x", ("10.9.9.9", 1))]))
    assert a.counters["send_errors"] == 1
    a.close()
    a.close()
    net.bind(("10.0.0.1", 1))


def test_a_conditioned_transport_delays_both_directions() -> None:
    net = MemoryNetwork()
    far = net.bind(("10.0.0.2", 2))
    near = ConditionedTransport(
        net.bind(("10.0.0.1", 1)), sending=Delay(0.05), receiving=Delay(0.02), clock=net.now
    )
    near.send(Outgoing([(b"ping", far.address)]))
    assert not far.inbox
    assert near.wait(1.0)
    assert net.now() == pytest.approx(0.05)
    near.receive_into(Outgoing(()))
    assert far.inbox.popleft()[0] == b"ping"

    far.send(Outgoing([(b"pong", near.address)]))
    got = Outgoing(())
    assert near.receive_into(got) == 0
    assert near.wait(1.0)
    assert near.receive_into(got) == 1
    assert net.now() == pytest.approx(0.07)


def test_closing_lets_out_what_was_under_way() -> None:
    net = MemoryNetwork()
    far = net.bind(("10.0.0.2", 2))
    near = ConditionedTransport(
        net.bind(("10.0.0.1", 1)), sending=Delay(9.0), receiving=None, clock=net.now
    )
    near.send(Outgoing([(b"bye", far.address)]))
    near.close()
    assert far.inbox.popleft()[0] == b"bye"
