"""The short form of ``tests/fuzz_decoders.py``, and proof that it sees what it looks for.

The gate runs this file under AddressSanitizer as well. NETCODE_FUZZ_CASES makes it longer.
"""

from __future__ import annotations

import os
import random
from collections import Counter
from typing import Any

import fuzz_decoders
import numpy as np
import pytest
from fuzz.campaign import SHARES, Shard
from fuzz.lanes import LaneSubject
from fuzz.messages import Finding, Subject
from fuzz.mutate import Mutator, Seed, Spot, replaced
from fuzz.schemas import Bools, Everything, Grids, Trader, Words, random_schemas, short
from fuzz.streams import Program

from netcode.errors import DecodeError
from netcode.schema.faults import DECODE

CASES = int(os.environ.get("NETCODE_FUZZ_CASES", "20000"))


def test_every_decoder(seed: int) -> None:
    tally = Shard(seed, 0, CASES, random_schemas=4, messages=3).run()
    targets, outcomes = Counter[str](), Counter[str]()
    for (target, _, outcome), count in tally.items():
        targets[target] += count
        outcomes[outcome] += count
    assert set(targets) == set(SHARES)
    assert CASES <= sum(targets.values()) < CASES + 8
    # Neither does everything pass nor is all of it rubbish, and each refusal has been seen.
    assert CASES / 5 < outcomes["accepted"] < CASES * 4 / 5
    assert set(DECODE.values()) <= set(outcomes)
    assert any(outcome.startswith("refused by ") for outcome in outcomes)


@pytest.mark.parametrize("good", range(4))
def test_varints_of_too_many_groups_stay_in_the_data(good: int) -> None:
    """Seven groups where one or two are the most: where the data is long enough for the longest
    row, such a row went on behind its end. Only a sanitizer sees that."""
    cls = short()
    zeros, most = len(cls.__match_args__), cls.max_bytes
    data = bytes([4]) + bytes(zeros * good) + (b"\xff" * 6 + b"\x01") * most
    data = data[: 1 + max(zeros * 4, zeros * good + most + 8)]
    for decode in (cls.decode_many, cls.decode_records):
        with pytest.raises(DecodeError, match=r"Short\.v0: at bit .*above the largest one"):
            decode(data)


def test_a_shard_is_decided_by_its_numbers() -> None:
    def run(seed: int, number: int) -> Any:
        inputs: list[bytes] = []
        Shard(seed, number, 300, random_schemas=2, messages=1, watch=inputs.append).run()
        return inputs

    first = run(1, 5)
    assert first == run(1, 5)
    assert first != run(1, 6)
    assert first != run(2, 5)


def test_random_schemas_are_the_same_again() -> None:
    one, two = random_schemas(3, 4), random_schemas(3, 4)
    assert len(one) == 4
    assert [cls.schema_hash for cls in one] == [cls.schema_hash for cls in two]


# A decoder that is wrong is found


def subject(cls: Any, version: int | None = None) -> Subject:
    return Subject(cls, random.Random(1), version, 4)


def attack(check: Any, mutator: Mutator, cases: int = 400) -> None:
    for _ in range(cases):
        check(mutator.next()[1])


def test_a_decoder_that_accepts_padding_is_found() -> None:
    one = subject(Bools)
    one.decode = lambda data: Bools.decode(bytes([bytes(data)[0] & 7]) if len(data) else b"")
    with pytest.raises(Finding, match="accepts what encode does not give"):
        attack(one.check_object, one.objects)


def test_a_decoder_that_refuses_more_than_the_others_is_found() -> None:
    one = subject(Words)

    def decode(data: Any) -> Words:
        made = Words.decode(data)
        if made.on:
            raise DecodeError("Words.on: at bit 0, no", field="on", bit=0)
        return made

    one.decode = decode
    with pytest.raises(Finding, match="one decoder accepts, one refuses"):
        attack(one.check_object, one.objects)


def test_a_decoder_that_writes_elsewhere_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    one = subject(Grids)
    decode_records = Grids.decode_records

    def spill(data: Any, out: Any = None, **options: Any) -> Any:
        rows = decode_records(data, out, **options)
        if out is not None:
            out[-1:]["x"] = 1
        return rows

    monkeypatch.setattr(Grids, "_decode_records", spill)
    with pytest.raises(Finding, match="touches rows that it does not fill"):
        attack(one.check_list, one.lists)


def test_another_exception_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_self: Subject, _data: bytes) -> str:
        raise IndexError("oh")

    monkeypatch.setattr(Subject, "check_list", broken)
    shard = Shard(1, 0, 500, random_schemas=1, messages=1)
    with pytest.raises(Finding, match=r"list: IndexError: oh\n  of .*\n  with '.*': [0-9a-f]*$"):
        shard.run()
    with pytest.raises(SystemExit, match="again with: --seed 4 --start 100000 --cases 500"):
        fuzz_decoders.main(["--cases", "500", "--seed", "4", "--start", "123456"])


def test_lanes_out_of_range_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    lanes = LaneSubject(Grids, np.random.Generator(np.random.PCG64(1)))
    dequantize = Grids.dequantize

    def beyond(codes: Any, columns: Any, rows: Any) -> None:
        dequantize(codes, columns, np.ones_like(rows))

    monkeypatch.setattr(Grids, "dequantize", beyond)
    with pytest.raises(Finding, match="masked out has changed"):
        attack(lambda _: lanes.check(), Mutator(random.Random(1), [Seed(b"", [])]), 20)


def test_a_stream_that_reads_otherwise_is_found() -> None:
    program = Program(random.Random(1), "bits", 4)
    step = next(step for step in program.steps if step.write is not None)
    step.write = lambda stream, _: stream.write_bits(1, 1)
    with pytest.raises(Finding, match="written"):
        attack(program.check, program.mutator)


# Aim


def test_explanations_say_where_to_aim() -> None:
    seeds = subject(Everything).lists.seeds
    roles = {role for seed in seeds for role in seed.roles}
    assert roles == {"count", "varint", "text", "blob", "code", "padding"}
    for seed in seeds:
        assert sum(spot.bits for spot in seed.spots) == 8 * len(seed.data)


def test_what_is_behind_a_change_moves_along() -> None:
    seed = Seed(b"\xab\xcd", [])
    assert replaced(seed, Spot(4, 4, ""), 0x123, 12) == b"\x3b\x12\xcd"
    assert replaced(seed, Spot(4, 8, ""), 0, 0) == b"\xcb"
    assert replaced(seed, Spot(16, 0, ""), 3, 2) == b"\xab\xcd\x03"


def test_every_mutation_makes_something_of_nothing() -> None:
    mutator = Mutator(random.Random(1), [Seed(b"", []), Seed(b"", [])])
    assert len({name for name, _ in (mutator.next() for _ in range(2000))}) == 15


def test_older_versions_are_fuzzed() -> None:
    one = subject(Trader, 2)
    assert "version 2" in repr(one)
    attack(one.check_object, one.objects, 200)
    attack(one.check_list, one.lists, 200)


# The tool


def test_the_tool(capsys: pytest.CaptureFixture[str], tmp_path: Any) -> None:
    last = tmp_path / "last"
    assert fuzz_decoders.main(["--cases", "600", "--seed", "9", "--last", str(last)]) == 0
    shown = capsys.readouterr()
    assert "cases from 0 on with seed 9, nothing found" in shown.out
    assert "the data ends here" in shown.out
    assert "next --start 100000" in shown.err
    assert last.exists()
