import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracle.channel import expand

from netcode.channel.acks import expand_sequence


@given(st.integers(0, 0xFFFF), st.integers(0, 1 << 48))
def test_expand_agrees_with_the_oracle(low: int, near: int) -> None:
    value = expand_sequence(low, near)
    assert value == expand(low, near)
    assert value & 0xFFFF == low


@given(st.integers(0, 1 << 48), st.integers(-32768, 32767))
def test_expand_recovers_anything_within_half_the_circle(near: int, distance: int) -> None:
    value = near + distance
    if value >= 0:
        assert expand_sequence(value & 0xFFFF, near) == value


@pytest.mark.parametrize(
    ("low", "near", "value"),
    [
        (0, 0, 0),
        (65535, 0, 65535),  # nothing is below zero
        (65535, 65536, 65535),
        (0, 65535, 65536),
        (32768, 65536, 32768),
        (5, (1 << 40) - 1, (1 << 40) + 5),
    ],
)
def test_expand_at_the_wrap(low: int, near: int, value: int) -> None:
    assert expand_sequence(low, near) == value
