"""The short form of sections.py, which fuzzes the section coder."""

import importlib.util
import json
from pathlib import Path

import pytest

FILE = Path(__file__).with_name("sections.py")


@pytest.fixture(scope="module")
def sections():
    spec = importlib.util.spec_from_file_location("hostile_sections", FILE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    pytest.importorskip("Cython")
    pytest.importorskip("setuptools")
    module.loop()
    return module


def test_mutated_sections_are_refused_or_in_range(sections, seed):
    total = sections.fuzz(40_000, seed)
    assert total["cases"] == total["refused"] + total["decoded"] >= 40_000
    assert total["refused"] > 20_000
    assert total["decoded"] > 400


def test_full_size_tables(sections, seed):
    for number in (0, 1):
        done = sections.batch(seed, number * sections.FULL_EVERY, full=True)
        assert done["cases"] == sections.FULL_BATCH


def test_it_goes_on_where_it_stopped(sections, tmp_path):
    state = tmp_path / "state.json"
    sections.fuzz(sections.BATCH, 7, state)
    again = sections.fuzz(3 * sections.BATCH, 99, state)
    assert again == sections.fuzz(3 * sections.BATCH, 7) == json.loads(state.read_text())


@pytest.mark.soak
@pytest.mark.timeout(100_000)
def test_many_mutated_sections(sections, seed):
    assert sections.fuzz(10_000_000, seed)["cases"] >= 10_000_000
