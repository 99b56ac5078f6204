import pytest

from netcode.testing import VirtualClock


def test_moves_only_forward() -> None:
    clock = VirtualClock(5.0)
    assert clock() == clock.now == 5.0
    assert clock.advance(0.25) == 5.25
    assert clock.advance_to(6) == 6.0
    for bad in (5.9, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="cannot go from"):
            clock.advance_to(bad)
    assert repr(clock) == "VirtualClock(now=6.0)"
    with pytest.raises(ValueError, match="finite"):
        VirtualClock(float("nan"))
