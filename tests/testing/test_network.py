from __future__ import annotations

import math
from collections.abc import Iterator

import pytest

from netcode.errors import ConfigError
from netcode.testing import (
    PRESETS,
    ChannelPair,
    Conditions,
    Network,
    Scenario,
    Script,
    VirtualClock,
)


class Echo:
    """Answers each datagram once, after a delay."""

    def __init__(self, delay: float = 0.0) -> None:
        self.delay = delay
        self.log: list[tuple[float, bytes, object]] = []
        self.outbox: list[tuple[float, bytes, object]] = []
        self.updates = 0

    def receive_datagram(self, data: bytes, address: object, now: float) -> None:
        self.log.append((now, data, address))
        if not data.startswith(b"re:"):
            self.outbox.append((now + self.delay, b"re:" + data, address))

    def update(self, now: float) -> None:
        self.updates += 1

    def send(self, now: float) -> Iterator[tuple[memoryview, object]]:
        due = [item for item in self.outbox if item[0] <= now]
        self.outbox = [item for item in self.outbox if item[0] > now]
        buffer = bytearray(100)
        for _, data, address in due:
            buffer[: len(data)] = data
            yield memoryview(buffer)[: len(data)], address  # one buffer for all: must be copied

    @property
    def next_deadline(self) -> float:
        return min((at for at, _, _ in self.outbox), default=math.inf)


def test_runs_to_deadlines_and_keeps_addresses() -> None:
    network = Network(1, Conditions(latency=0.5))
    server, one, two = Echo(delay=0.25), Echo(), Echo()
    network.add("server", server)
    network.add(("10.0.0.1", 1), one)
    network.add(("10.0.0.1", 2), two)
    network.transmit(b"hello", ("10.0.0.1", 1), "server")
    network.transmit(b"again", ("10.0.0.1", 2), "server")
    assert network.next_deadline == 0.5
    assert network.run_until(2.0)
    assert server.log == [(0.5, b"hello", ("10.0.0.1", 1)), (0.5, b"again", ("10.0.0.1", 2))]
    assert one.log == [(1.25, b"re:hello", "server")]
    assert two.log == [(1.25, b"re:again", "server")]
    assert network.now == 2.0
    assert server.updates == 2


def test_conditions_run_out_and_strangers_are_counted() -> None:
    network = Network(1)
    network.add("a", Echo())
    network.transmit(b"x", "a", "nobody")
    network.run(1.0)
    assert network.unroutable == 1
    assert network.run_until(lambda: False, timeout=2.0) is False
    assert network.now == 3.0
    assert network.run_until(lambda: True) is True
    network.remove("a")
    network.transmit(b"x", "b", "a")
    network.run(0)
    assert network.unroutable == 2


def test_scheduled_changes_happen_on_time() -> None:
    network = Network(1, Conditions(latency=0.1))
    echo = Echo()
    network.add("a", echo)
    seen: list[float] = []
    network.schedule(1.0, lambda: network.change(latency=0.3))
    network.schedule(0.5, lambda: seen.append(network.now))
    for at in (0.0, 0.9, 1.1):
        network.schedule(at, lambda: network.transmit(b"re:x", "b", "a"))
    network.run(5.0)
    assert seen == [0.5]
    assert [when for when, _, _ in echo.log] == pytest.approx([0.1, 1.0, 1.4])
    assert network.link("b", "a").conditions.latency == 0.3
    assert network.link("c", "a").conditions.latency == 0.3


def test_an_endpoint_that_never_rests_is_named() -> None:
    class Restless(Echo):
        @property
        def next_deadline(self) -> float:
            return 0.0

    network = Network(99)
    network.add("bad", Restless())
    network.add("good", Echo())
    with pytest.raises(RuntimeError, match=r"\['bad'\] at 0.0 s .*Network\(seed=99"):
        network.run(1.0)


def test_the_same_seed_gives_the_same_run() -> None:
    def run(seed: int) -> list[bytes]:
        wire: list[bytes] = []
        bad = Conditions(loss=0.3, latency=0.05, jitter=0.02, duplicate=0.1, reorder=0.2)
        pair = ChannelPair(seed, bad)
        original = pair.network.transmit

        def tap(data: bytes, source: object, target: object) -> None:
            wire.append(bytes(data))
            original(data, source, target)

        pair.network.transmit = tap  # type: ignore[method-assign, assignment]
        for number in range(20):
            pair.a.endpoint.push(1, bytes([number]) * 3_000, pair.now)
            pair.b.endpoint.push(1, bytes([number]) * 30, pair.now)
        assert pair.settle()
        return wire

    assert run(5) == run(5)
    assert run(5) != run(6)


def test_links_of_a_network_are_independent() -> None:
    network = Network("seed", Conditions(loss=0.5))
    fates = []
    for target in ("b", "c"):
        link = network.link("a", target)
        for _ in range(64):
            link.push(b"x", None, 0.0)
        fates.append(link.stats.lost)
    assert len(network.links) == 2
    assert network.link("a", "b").seed != network.link("a", "c").seed
    clock = VirtualClock(3.0)
    assert Network(clock=clock).now == 3.0


def test_messages_and_frames_of_a_pair() -> None:
    pair = ChannelPair(2, Conditions(latency=0.1), flush_interval=0.05)
    pair.a.endpoint.push(2, b"unreliable")
    pair.a.endpoint.push_frame(0x50, b"frame")
    assert pair.settle(timeout=1)
    pair.run(0.2)
    assert pair.b.messages(2) == [b"unreliable"]
    assert pair.b.frames(0x50) == [b"frame"]
    assert pair.settle(timeout=0)
    pair.network.change(loss=1.0)
    pair.a.endpoint.push(1, b"never")
    assert not pair.settle(timeout=5)
    assert "seed=2" in repr(pair)


FAST, SLOW = Conditions(latency=0.1), Conditions(latency=0.4)


def arrivals(network: Network, *sent_at: float, to: str = "a") -> list[float]:
    """How long datagrams took that left for an address at these times."""
    target = Echo()
    network.add(to, target)
    for at in sent_at:
        network.schedule(at, lambda: network.transmit(b"re:", "b", to))
    network.run_until(100.0)
    return [round(now - at, 9) for (now, _, _), at in zip(target.log, sent_at, strict=True)]


def test_a_script_runs_from_the_beginning_of_the_network() -> None:
    script = Script([(0, FAST), (10, SLOW)], repeat=20)
    # The first datagram comes long after the network: the script does not wait for it.
    assert arrivals(Network(1, script), 9.0, 11.0, 21.0, 31.0) == [0.1, 0.4, 0.1, 0.4]
    late = VirtualClock(5.0)
    assert arrivals(Network(1, script, clock=late), 14.0, 16.0) == [0.1, 0.4]


def test_changes_outlast_the_steps_of_a_script() -> None:
    network = Network(1, Script([(0, FAST), (10, SLOW)]))
    before = network.link("b", "a")
    network.change(jitter=0.0, latency=0.2)
    assert before.follow(12.0).latency == 0.2
    assert network.link("b", "c").follow(12.0).latency == 0.2


def test_a_scenario_has_a_line_up_and_a_line_down() -> None:
    scenario = Scenario.of(FAST, SLOW)
    assert arrivals(Network(1, scenario, servers=["a"]), 1.0) == [0.1]
    network = Network(1, scenario, servers=["b"])
    assert arrivals(network, 1.0) == [0.4]
    network.change(latency=0.3)
    assert network.link("b", "c").follow(2.0).latency == 0.3
    for conditions, servers in ((scenario, ()), (FAST, ("a",)), (None, ("a",))):
        with pytest.raises(ConfigError, match=r"Network\.servers"):
            Network(1, conditions, servers=servers)


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_every_preset_carries_a_conversation(name: str) -> None:
    pair = ChannelPair(name, PRESETS[name].down)
    words = [b"%d" % number for number in range(300)]

    left = iter(words)

    def say() -> None:
        pair.a.endpoint.push(1, next(left), pair.now)

    for number in range(300):
        pair.network.schedule(number * 0.1, say)
    pair.run(30.0)
    assert pair.settle(60.0), pair
    assert pair.b.messages(1) == words
