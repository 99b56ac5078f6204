"""Tables that adapt within a section: the estimator, what it saves, and that nothing is kept."""

import math

import numpy as np
import pytest

from netcode.delta.coder import SectionCoder, cost_table
from netcode.delta.model import ADAPTIVE_UNTRAINED, Model
from netcode.delta.shape import Shape
from netcode.errors import ConfigError

CAPACITY = 400
SLOTS = np.arange(CAPACITY, dtype=np.uint16)
BIT = Shape([("flags", (0,), (1,))])


def a_bit(share: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """T and A of a table of one bit, of which a share changed."""
    rng = np.random.default_rng(seed)
    a = rng.integers(0, 2, (1, CAPACITY), dtype=np.int32)
    return a ^ (rng.random((1, CAPACITY)) < share), a


def estimated(p: int, worth: int, decisions: np.ndarray) -> float:
    """Bits of decisions in one context that starts with p/65536 of a 0, by the definition."""
    zeros, n, bits = worth * p / 65536, worth, 0.0
    for decision in decisions:
        share = min(max(zeros / n, 16 / 65536), 65520 / 65536)
        bits -= math.log2(1 - share if decision else share)
        zeros, n = zeros + (not decision), n + 1
    return bits


@pytest.mark.parametrize("worth", [1, 8, 200])
@pytest.mark.parametrize("share", [0.02, 0.5, 0.97])
def test_a_context_is_the_average_of_what_it_brought(worth: int, share: float) -> None:
    t, a = a_bit(share, 1)
    t, a, n = t[:, :55], a[:, :55], 55  # below the most decisions that count
    model = Model.untrained(BIT, adaptive=worth)
    coder = model.coder(n)
    coder.count(t, a, None, 1, 1, SLOTS[:n])
    changed = (t != a)[0]
    # which entities changed is one context, and a changed bit has two, by its old value
    values = 1024 + 1024
    wanted = estimated(int(model.probabilities[960]), worth, changed)
    for old in (0, 1):
        flips = np.ones(np.count_nonzero(changed & (a[0] == old)), bool)
        wanted += estimated(int(model.probabilities[values + 2 * old]), worth, flips)
    assert coder.bits == pytest.approx(wanted, rel=0.01, abs=0.1)
    size = len(coder.encode(t, a, None, 1, 1, SLOTS[:n]))
    assert size < coder.bits / 8 * 1.01 + 2


def counted(p: int, worth: int, decisions: np.ndarray) -> int:
    """1/65536 bits of decisions in one context, by the integers of wire-format.md."""
    costs, n, total = cost_table(), worth, 0
    for decision in decisions.tolist():
        total += int(costs[65536 - p if decision else p])
        n = min(n + 1, 256)
        towards = (0 if decision else 65536) - p
        p += abs(towards) // n * (1 if towards > 0 else -1)
        p = min(max(p, 16), 65520)
    return total


@pytest.mark.parametrize("worth", [1, 8, 200, 255])
@pytest.mark.parametrize("share", [0.0, 0.02, 0.5, 1.0])
def test_the_integers_are_those_of_the_wire_format(worth: int, share: float) -> None:
    t, a = a_bit(share, 5)
    coder = Model.untrained(BIT, adaptive=worth).coder(CAPACITY)
    p = Model.untrained(BIT).probabilities
    coder.count(t, a, None, 1, 1, SLOTS)
    changed = (t != a)[0]
    total = counted(int(p[960]), worth, changed)
    for old in (0, 1):
        flips = np.ones(np.count_nonzero(changed & (a[0] == old)), bool)
        total += counted(int(p[1024 + 1024 + 2 * old]), worth, flips)
    assert round(coder.bits * 65536) == total


def test_it_pays_where_the_tables_do_not_fit() -> None:
    t, a = a_bit(0.97, 2)
    sizes = [
        len(Model.untrained(BIT, adaptive=n).coder(CAPACITY).encode(t, a, None, 1, 1, SLOTS))
        for n in (0, ADAPTIVE_UNTRAINED)
    ]
    assert sizes[1] < 0.6 * sizes[0]


def test_every_section_starts_from_the_tables() -> None:
    coder = Model.untrained(BIT, adaptive=4).coder(CAPACITY)
    first, second = a_bit(0.9, 3), a_bit(0.05, 4)
    alone = coder.encode(*second, None, 1, 1, SLOTS)
    coder.encode(*first, None, 1, 1, SLOTS)
    coder.count(*first, None, 1, 1, SLOTS)
    assert coder.encode(*first, None, 1, 1, SLOTS, 8) is None  # given up half-way
    assert coder.encode(*second, None, 1, 1, SLOTS) == alone
    out = np.zeros_like(first[0])
    coder.decode(alone, out, second[1], None, 1, 1, SLOTS)
    assert np.array_equal(out, second[0])


@pytest.mark.parametrize("worth", [-1, 256])
def test_a_worth_out_of_range_is_refused(worth: int) -> None:
    with pytest.raises(ConfigError, match=f"adaptive is {worth}; 0 to 255"):
        SectionCoder(BIT, 4, adaptive=worth)
