import threading

from netcode.io.keeper import Keeper


def test_it_pumps_only_when_the_game_is_late() -> None:
    pumped = threading.Event()
    idle = [0.0]
    keeper = Keeper(pumped.set, lambda: idle[0], patience=0.005)
    try:
        assert not pumped.wait(0.05)
        idle[0] = 1.0
        assert pumped.wait(2.0)
    finally:
        keeper.close()
    assert not keeper.thread.is_alive()
    keeper.close()


def test_a_failing_pump_is_logged_and_stops_the_thread(caplog) -> None:
    def pump() -> None:
        raise ZeroDivisionError

    keeper = Keeper(pump, lambda: 1.0, patience=0.005)
    keeper.thread.join(2.0)
    assert not keeper.thread.is_alive()
    assert "keeping connections alive failed" in caplog.text
