from __future__ import annotations

import numpy as np
import pytest
from oracle.lanes import lane_schema

from netcode.delta import Layout
from netcode.errors import ConfigError


def test_shape() -> None:
    layout = Layout([10, 11, 1], [0, 0, 4], 65)
    assert (layout.capacity, layout.n_lanes, layout.n_fields) == (65, 3, 2)
    assert layout.bits == (10, 11, 1)
    assert layout.row_bits == 24


def test_of_a_schema() -> None:
    layout = Layout.of(lane_schema([[3], [4, 5]], [6, 15, 20]), 10)
    assert (layout.n_lanes, layout.n_fields, layout.bits) == (3, 2, (3, 4, 5))


def test_no_lanes() -> None:
    assert Layout([], [], 5).row_bits == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (([1], [0], 0), "capacity is 0"),
        (([1], [0], 65_537), "capacity is 65537"),
        (([1, 2], [0], 5), "2 lane widths but 1 lane fields"),
        (([33], [0], 5), "0 to 32 bits"),
        (([-1], [0], 5), "0 to 32 bits"),
        (([1, 1, 1], [0, 1, 0], 5), "field order"),
        (([3], [0], 5, [8]), "lane_max"),
        (([3, 3], [0, 1], 5, [7]), "lane_max"),
        (([32] * 300, range(300), 5), "one row takes up to 9900 bits"),
    ],
)
def test_refusals(arguments: tuple[object, ...], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        Layout(*arguments)  # type: ignore[arg-type]


def test_the_largest_row_fits() -> None:
    """The limit in the message is the true one: a row of just that many bits is accepted."""
    with pytest.raises(ConfigError, match=r"at most (\d+) bits") as error:
        Layout(np.full(300, 32), np.zeros(300), 65_536)
    most = int(str(error.value).split("at most ")[1].split()[0])
    widths = [32] * ((most - 1) // 32) + [(most - 1) % 32]
    assert Layout(widths, [0] * len(widths), 65_536).row_bits == most
