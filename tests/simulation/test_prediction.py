from netcode.simulation.clock import ServerClock
from netcode.simulation.prediction import PENDING_INPUTS, Predictor

ME = 7


class Body:
    def __init__(self, x: float) -> None:
        self.x = x


def step(body: Body, push: float, dt: float) -> None:
    body.x += push * dt


def test_inputs_wait_for_the_first_state_then_are_replayed() -> None:
    me: Predictor[Body, float] = Predictor(step, 0.5)
    me.apply(1, 10.0)
    me.apply(2, 20.0)
    assert me.states == {}
    assert me.reconcile({ME: Body(100.0)}, applied=1) == 1
    assert me.states[ME].x == 110.0
    me.apply(3, 2.0)
    assert me.states[ME].x == 111.0
    assert [tick for tick, _ in me.inputs] == [2, 3]


def test_a_right_prediction_is_not_moved_by_reconciling() -> None:
    me: Predictor[Body, float] = Predictor(step, 1.0)
    me.reconcile({ME: Body(0.0)}, applied=0)
    truth = [0.0]
    for tick in range(1, 50):
        me.apply(tick, float(tick))
        truth.append(truth[-1] + tick)
        if tick > 7:
            before = me.states[ME].x
            me.reconcile({ME: Body(truth[tick - 7])}, applied=tick - 7)
            assert me.states[ME].x == before


def test_pending_inputs_are_bounded_and_survive_the_entity() -> None:
    me: Predictor[Body, float] = Predictor(step, 1.0)
    for tick in range(1000):
        me.apply(tick, 1.0)
    assert len(me.inputs) == PENDING_INPUTS
    me.reconcile({1: Body(0.0), 2: Body(5.0)}, applied=998)
    assert {key: body.x for key, body in me.states.items()} == {1: 1.0, 2: 6.0}
    me.reconcile({}, applied=998)
    assert me.states == {}
    assert len(me.inputs) == 1


def test_the_clock_smooths_jitter_and_jumps_after_a_break() -> None:
    clock = ServerClock(60.0)
    assert clock.tick(5.0) == 0.0
    for tick in range(100, 400):
        clock.observe(tick, tick / 60 + 0.05 + (0.004 if tick % 2 else -0.004))
    assert abs(clock.tick(400 / 60 + 0.05) - 400) < 0.1
    clock.observe(1000, 8.0)
    assert abs(clock.tick(8.0) - 1000) < 1e-6
