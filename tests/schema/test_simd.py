"""Which instruction set the block path uses."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given
from oracle.schemas import cases

from netcode.schema import simd


def chosen_with(value: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", "from netcode.schema import simd; print(simd.chosen())"],
        env=os.environ | {"NETCODE_SIMD": value},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_first_choice_is_taken() -> None:
    assert simd.choices()[-1] == "base"
    assert chosen_with("").stdout.strip() == simd.choices()[0]


def test_the_environment_chooses() -> None:
    assert chosen_with("base").stdout.strip() == "base"


def test_what_there_is_not_is_refused() -> None:
    refused = chosen_with("mmx")
    assert refused.returncode != 0
    assert "NETCODE_SIMD=mmx: not one of " in refused.stderr
    with pytest.raises(ValueError, match=r"'mmx' is not one of .*base"):
        simd.choose("mmx")


@given(cases(6))
def test_all_give_the_same(case: Any) -> None:
    cls, _, objects = case
    before = simd.chosen()
    data = cls.encode_many([objects[i % len(objects)] for i in range(150)])
    found = []
    try:
        for choice in simd.choices():
            simd.choose(choice)
            records = cls.decode_records(data)
            found.append((records.tobytes(), cls.encode_records(records)))
    finally:
        simd.choose(before)
    assert set(found) == {(found[0][0], data)}
