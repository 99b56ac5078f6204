"""The connection pool and the token history against plain dicts."""

from __future__ import annotations

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from netcode.errors import ConfigError
from netcode.session.pool import ConnectionPool
from netcode.session.token_history import TokenHistory

CAPACITY = 5
addresses = st.tuples(
    st.sampled_from(["10.0.0.1", "10.0.0.2", "::1", "2001:db8::1", "::ffff:10.0.0.1"]),
    st.integers(1, 3),
)


def plain(address: tuple[str, int]) -> tuple[str, int]:
    return (address[0].removeprefix("::ffff:"), address[1])


class PoolMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.pool = ConnectionPool(CAPACITY, bytes(16))
        self.live: dict[int, tuple[tuple[str, int], int]] = {}
        self.retired: set[int] = set()
        self.generations = [0] * CAPACITY

    @rule(address=addresses, client=st.integers(0, 6))
    def claim(self, address: tuple[str, int], client: int) -> None:
        known = any(plain(address) == a or client == c for a, c in self.live.values())
        if known:
            with pytest.raises(ConfigError):
                self.pool.claim(address, client)
            return
        index = self.pool.claim(address, client)
        free = set(range(CAPACITY)) - set(self.live) - self.retired
        assert index == (min(free) if free else None)
        if index is not None:
            self.live[index] = (plain(address), client)
            self.generations[index] += 1

    @rule(index=st.integers(0, CAPACITY))
    def retire(self, index: int) -> None:
        assert self.pool.retire(index) == (index in self.live)
        if self.live.pop(index, None):
            self.retired.add(index)

    @rule()
    def reclaim(self) -> None:
        self.pool.reclaim()
        self.retired.clear()

    @rule(address=addresses, client=st.integers(0, 6))
    def find(self, address: tuple[str, int], client: int) -> None:
        by_address = {a: i for i, (a, _) in self.live.items()}
        by_client = {c: i for i, (_, c) in self.live.items()}
        assert self.pool.find_address(address) == by_address.get(plain(address))
        assert self.pool.find_client(client) == by_client.get(client)

    @invariant()
    def same(self) -> None:
        assert self.pool.live() == sorted(self.live)
        assert len(self.pool) == len(self.live)
        for index, (address, client) in self.live.items():
            assert self.pool.slot(index) == (address, client, self.generations[index], True)


TestPool = PoolMachine.TestCase


def test_pool_of_ten_thousand() -> None:
    pool = ConnectionPool(10_000, b"0123456789abcdef")
    for n in range(10_000):
        assert pool.claim((f"10.0.{n >> 8}.{n & 255}", 1000), n) == n
    assert pool.claim(("10.1.0.0", 1), 10_000) is None
    assert all(pool.find_address((f"10.0.{n >> 8}.{n & 255}", 1000)) == n for n in range(10_000))
    for n in range(0, 10_000, 2):
        pool.retire(n)
    pool.reclaim()
    assert [pool.find_client(n) for n in range(4)] == [None, 1, None, 3]
    assert pool.claim(("10.1.0.0", 1), 10_000) == 0


def test_pool_limits() -> None:
    for capacity in (0, 65_536):
        with pytest.raises(ConfigError, match="capacity"):
            ConnectionPool(capacity, bytes(16))
    with pytest.raises(ConfigError, match="15 bytes"):
        ConnectionPool(1, bytes(15))


class HistoryMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.history = TokenHistory(4, bytes(16))
        self.model: dict[bytes, tuple[int, int, bool]] = {}  # tag: port, expiry, consumed
        self.unix = 0

    @rule(tag=st.integers(0, 6), port=st.integers(1, 2), life=st.integers(1, 5))
    def present(self, tag: int, port: int, life: int) -> None:
        name = bytes([tag]) * 16
        result = self.history.present(name, ("10.0.0.1", port), self.unix + life)
        if name in self.model:
            owner, _, consumed = self.model[name]
            expected = "consumed" if consumed else "ok" if owner == port else "elsewhere"
            assert result == expected
        elif len(self.model) == 4:
            assert result == "full"
        else:
            assert result == "ok"
            self.model[name] = (port, self.unix + life, False)

    @rule(tag=st.integers(0, 6))
    def consume(self, tag: int) -> None:
        name = bytes([tag]) * 16
        owner, expiry, consumed = self.model.get(name, (0, 0, True))
        assert self.history.consume(name) == (not consumed)
        if not consumed:
            self.model[name] = (owner, expiry, True)

    @rule(seconds=st.integers(1, 3))
    def wait(self, seconds: int) -> None:
        self.unix += seconds
        self.history.expire(self.unix)
        self.model = {k: v for k, v in self.model.items() if v[1] > self.unix}

    @invariant()
    def same(self) -> None:
        assert len(self.history) == len(self.model)


TestHistory = HistoryMachine.TestCase


def test_history_of_tokens_that_never_expire() -> None:
    history = TokenHistory(1, bytes(16))
    assert history.present(bytes(16), ("10.0.0.1", 1), 2**64 - 1) == "ok"
    history.expire(2**63)
    assert history.present(b"x" * 16, ("10.0.0.1", 1), 2**64 - 1) == "full"
