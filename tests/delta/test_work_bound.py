"""What a section costs a client is bounded by slots and lanes, whatever its bytes say."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from floor_build import CC, build, need_compiler

pytestmark = pytest.mark.timeout(600)

SCRIPT = Path(__file__).parents[1] / "section_work.py"
MODULES = ("changes", "decoder", "held", "motion", "predicted")
COUNTER = """
#include <stdlib.h>
unsigned long long nc_calls, nc_bytes;
#define PLAIN __attribute__((no_instrument_function))
PLAIN void __cyg_profile_func_enter(void *function, void *caller) { nc_calls++; }
PLAIN void __cyg_profile_func_exit(void *function, void *caller) {}
PLAIN void *nc_malloc(size_t size) { nc_bytes += size; return malloc(size); }
PLAIN void *nc_calloc(size_t n, size_t size) { nc_bytes += n * size; return calloc(n, size); }
PLAIN void *nc_realloc(void *old, size_t size) { nc_bytes += size; return realloc(old, size); }
"""
FLAGS = ["-finstrument-functions", *(f"-D{a}=nc_{a}" for a in ("malloc", "calloc", "realloc"))]


@pytest.fixture(scope="module")
def costs(tmp_path_factory):
    need_compiler()
    if sys.platform != "linux":
        pytest.skip("preloads as Linux does")
    folder = tmp_path_factory.mktemp("counted")
    source, library = folder / "counter.c", folder / "counter.so"
    source.write_text(COUNTER)
    subprocess.run([*CC, "-O1", "-shared", "-fPIC", source, "-o", library], check=True)
    build(folder, MODULES, FLAGS)
    done = subprocess.run(
        [sys.executable, SCRIPT, library], check=True, capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": str(folder), "PYTHONSAFEPATH": "1",
             "LD_PRELOAD": str(library)},
    )  # fmt: skip
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_work_is_bounded_by_slots_and_lanes(costs):
    """In calls of C functions, the inlined ones too: every decision is one or more."""
    for cost in costs:
        # an adaptive residual is many decisions, and each finds and teaches its cell
        of_lane = 200 if cost["adaptive"] else 100
        bound = 200 + cost["capacity"] * (200 + of_lane * cost["lanes"])
        assert 0 < cost["most"] <= bound, cost
        assert cost["decoded"] > 0, cost
        assert cost["refused"] > 10, cost
    # not for want of counting: a fair share of the bound is used
    body = next(
        cost
        for cost in costs
        if (cost["name"], cost["capacity"], cost["kind"]) == ("bodies", 30, 3)
    )
    assert body["honest"] > 30 * (50 + 50 * body["lanes"])


def test_memory_is_asked_for_only_for_slots_and_only_by_what_is_taken(costs):
    """A block for each slot that was never heard of; nothing by the size of a section, and nothing
    for one that is refused."""
    for cost in costs:
        block = 65 * 4 * (2 + cost["lanes"])
        assert cost["asked_in_vain"] == 0, cost
        assert cost["asked"] == cost["grown"] <= cost["capacity"] * block, cost
        assert (cost["grown"] > 0) == (cost["kind"] == 0), cost
