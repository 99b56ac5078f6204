"""Scripts and scenarios: timelines, files, units, presets."""

from __future__ import annotations

import contextlib
import json
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netcode.errors import ConfigError
from netcode.testing import PRESETS, Conditions, Link, Scenario, Script
from netcode.testing.units import quantity

CLEAN, DOWN, SLOW = Conditions(), Conditions(loss=1.0), Conditions(latency=0.5)


def test_a_script_says_what_holds_when() -> None:
    script = Script([(0, CLEAN), (10, DOWN), (12.5, SLOW)])
    times = (-5, 0, 9.999, 10, 12.4, 12.5, 1e9)
    found = [script.at(t) for t in times]
    assert found == [CLEAN, CLEAN, CLEAN, DOWN, DOWN, SLOW, SLOW]
    again = Script([(0, CLEAN), (10, DOWN)], repeat=11)
    assert [again.at(t) for t in (0, 10, 11, 20.5, 21.5, 22)] == [
        CLEAN,
        DOWN,
        CLEAN,
        CLEAN,
        DOWN,
        CLEAN,
    ]


@given(st.lists(st.floats(0.01, 50), max_size=6), st.floats(0, 1000), st.booleans())
def test_a_script_is_its_last_step_before(gaps: list[float], t: float, repeats: bool) -> None:
    times = [0.0]
    for gap in gaps:
        times.append(times[-1] + gap)
    steps = [(at, Conditions(latency=float(n))) for n, at in enumerate(times)]
    period = times[-1] + 1 if repeats else math.inf
    script = Script(steps, repeat=period)
    inside = math.fmod(t, period) if repeats else t
    assert script.at(t).latency == max(n for n, at in enumerate(times) if at <= inside)


@pytest.mark.parametrize(
    ("steps", "repeat", "match"),
    [
        ([], math.inf, "0 of them"),
        ([(1, CLEAN)], math.inf, "first is at 1"),
        ([(0, CLEAN), (5, DOWN), (5, CLEAN)], math.inf, "does not come after"),
        ([(0, CLEAN), (math.inf, DOWN)], math.inf, "does not come after"),
        ([(0, CLEAN), (5, DOWN)], 5, "after the last step"),
        ([(0, CLEAN)], 0, "after the last step"),
        ([(0, CLEAN)], math.nan, "after the last step"),
        ([(float(n), CLEAN) for n in range(10_001)], math.inf, "10001 of them"),
    ],
)
def test_scripts_are_checked(
    steps: list[tuple[float, Conditions]], repeat: float, match: str
) -> None:
    with pytest.raises(ConfigError, match=match):
        Script(steps, repeat=repeat)


def test_a_link_follows_its_script() -> None:
    link = Link(1, Script([(0, SLOW), (10, DOWN), (12, CLEAN)]), start=100.0)
    for now in (99.0, 100.0, 109.9, 110.0, 111.9, 112.0):
        link.push(b"", now, now)
    arrivals = []
    while len(link):
        due = link.next_deadline
        arrivals += [(sent, due) for _, sent in link.pop(due)]
    assert arrivals == [(99.0, 99.5), (100.0, 100.5), (109.9, 110.4), (112.0, 112.0)]
    assert link.conditions == CLEAN
    assert "Script([(0.0, Conditions(" in repr(link)


def test_without_a_start_the_first_datagram_is_it() -> None:
    link = Link(1, Script([(0, CLEAN), (10, DOWN)]))
    for now in (500.0, 509.0, 510.0):
        link.push(b"", now, now)
    assert [sent for _, sent in link.pop(600.0)] == [500.0, 509.0]
    assert link.start == 500.0


def test_a_change_stays_through_the_steps() -> None:
    link = Link(1, Script([(0, SLOW), (10, DOWN)]))
    link.change(latency=0.25)
    link.push(b"", None, 0.0)
    assert link.next_deadline == 0.25
    assert link.follow(10.0) == Conditions(loss=1.0, latency=0.25)


FILE = {
    "name": "tunnel",
    "both": {"latency": "40ms", "loss": "1%"},
    "up": {"rate": "1Mbit", "queue": "64KiB"},
    "down": {"rate": 1_000_000, "loss": 0.02},
    "steps": [
        {"at": 20, "both": {"loss": 1}},
        {"at": 23.5, "down": {"jitter": "80ms"}},
    ],
    "repeat": 60,
}


def test_a_file_becomes_a_scenario(tmp_path: Path) -> None:
    path = tmp_path / "tunnel.json"
    path.write_text(json.dumps(FILE))
    found = Scenario.load(path)
    assert found == Scenario.parse(FILE)
    assert (found.name, found.up.repeat) == ("tunnel", 60)
    up = Conditions(latency=0.04, loss=0.01, rate=125_000, queue=65_536)
    down = Conditions(latency=0.04, loss=0.02, rate=1_000_000)
    assert [found.up.at(t) for t in (0, 21, 24)] == [up, replaced(up, loss=1.0), up]
    assert [found.down.at(t) for t in (0, 21, 24)] == [
        down,
        replaced(down, loss=1.0),
        replaced(down, jitter=0.08),
    ]


def replaced(conditions: Conditions, **fields: float) -> Conditions:
    known = {name: getattr(conditions, name) for name in Conditions.__slots__}
    return Conditions(**known | fields)


def test_a_scenario_may_begin_from_a_preset() -> None:
    found = Scenario.parse({"preset": "4g", "down": {"rate": "1Mbit"}})
    assert found.up == PRESETS["4g"].up
    assert found.down.at(0) == replaced(PRESETS["4g"].down.at(0), rate=125_000.0)
    assert Scenario.parse({"steps": [{"at": 0, "both": {"loss": 1}}]}).up.at(0).loss == 1


@pytest.mark.parametrize(
    ("content", "match"),
    [
        ([], "a scenario: a list, must be an object"),
        ({"upp": {}}, "no key 'upp'; there are about, both"),
        ({"up": {"lag": 1}}, "the scenario: up: 'lag' is no condition; there are loss, latency"),
        ({"up": {"loss": "5 ms"}}, "loss: '5 ms' is not a number, or a number with one of %"),
        ({"up": {"rate": "5Mb"}}, "rate: '5Mb' .* one of B, kB, .* Gbit"),
        ({"up": {"loss": 2}}, r"Conditions\.loss: 2\.0"),
        ({"up": 5}, "up is no object"),
        ({"up": {"loss": None}}, "loss: None is not a number"),
        ({"up": {"latency": "1.2.3s"}}, "latency: '1.2.3s' is not a number"),
        ({"preset": "5g"}, "no '5g'; there are wifi, 4g, transatlantic, train"),
        ({"preset": []}, "preset: no"),
        ({"preset": "train"}, "train has steps of its own"),
        ({"steps": {}}, "steps: not a list"),
        ({"steps": [5]}, "step 0: a int, must be"),
        ({"steps": [{"both": {}}]}, "step 0: at is None, must be a number of seconds"),
        ({"steps": [{"at": 5, "loss": 1}]}, "step 0: no key 'loss'"),
        ({"steps": [{"at": 5}, {"at": 4}]}, "4.0 does not come after 5.0"),
        ({"repeat": "60"}, "repeat is '60'"),
        ({"repeat": -1}, "must be after"),
    ],
)
def test_what_is_wrong_with_a_file_is_said(content: object, match: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=match):
        Scenario.parse(content)  # type: ignore[arg-type]
    path = tmp_path / "bad.json"
    path.write_text(json.dumps(content))
    with pytest.raises(ConfigError, match=f"bad.json: .*{match}"):
        Scenario.load(path)


def test_files_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot read the scenario"):
        Scenario.load(tmp_path / "absent.json")
    path = tmp_path / "x.json"
    for data, match in (
        (b"{", "not JSON"),
        (b"\xff", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b" " * (1 << 20) + b"{}", "longer than"),
    ):
        path.write_bytes(data)
        with pytest.raises(ConfigError, match=match):
            Scenario.load(path)


@given(
    st.dictionaries(
        st.text(max_size=6), st.none() | st.floats() | st.text() | st.lists(st.integers())
    )
)
def test_a_scenario_of_rubbish_is_a_config_error(content: dict[str, object]) -> None:
    for where in ({"both": content}, {"steps": [content]}, content):
        with contextlib.suppress(ConfigError):
            Scenario.parse(where)


@pytest.mark.parametrize(
    ("field", "text", "value"),
    [
        ("loss", "5%", 0.05),
        ("loss", "0.5", 0.5),
        ("latency", "80ms", 0.08),
        ("latency", "1.5 s", 1.5),
        ("latency", "250us", 0.00025),
        ("queue_time", "1e3ms", 1.0),
        ("rate", "10Mbit", 1_250_000),
        ("rate", "64kB", 64_000),
        ("rate", "inf", math.inf),
        ("queue", "64KiB", 65_536),
        ("queue", 5, 5),
        ("overhead", "28B", 28),
    ],
)
def test_quantities(field: str, text: str, value: float) -> None:
    assert quantity(field, text) == pytest.approx(value)


def test_presets() -> None:
    assert list(PRESETS) == ["wifi", "4g", "transatlantic", "train"]
    for name, each in PRESETS.items():
        assert (each.name, bool(each.about)) == (name, True)
        for script in (each.up, each.down):
            for _, c in script.steps:
                assert c.rate < math.inf
                assert c.queue_time < math.inf
        assert each.up.at(0).rate < each.down.at(0).rate
        up, down = each.links(5)
        assert (up.seed, down.seed) == ("5/up", "5/down")
    assert PRESETS["train"].up.at(36).loss == 1
    assert PRESETS["train"].changed(up={"loss": 0}).up.at(96).loss == 0
    assert PRESETS["train"].changed(up={"loss": 0}).down.at(96).loss == 1


def test_scripts_compare_by_what_they_say() -> None:
    a, b = Script([(0, CLEAN), (5, DOWN)]), Script([(0, CLEAN), (5, DOWN)])
    assert a == b
    assert hash(a) == hash(b)
    assert a != Script([(0, CLEAN), (5, DOWN)], repeat=6)
    assert a != 5
    assert Scenario.of(SLOW).down == Scenario.of(CLEAN, SLOW).down
