import contextlib
from typing import Annotated

import pytest
from hypothesis import given
from hypothesis import strategies as st

import netcode as nc
from netcode.errors import DecodeError
from netcode.replication.hello import (
    MAX_REFUSAL,
    REVISION,
    Bye,
    Contract,
    Hello,
    Refusal,
    Spoken,
    TableInfo,
    Welcome,
    parse_control,
)


class Ship(nc.Schema):
    x: Annotated[float, nc.Quantized(0, 1, bits=8)] = 0.0
    hp: Annotated[int, nc.Range(0, 100)] = 100


class Input(nc.Schema):
    thrust: bool = False


class Chat(nc.Schema):
    text: Annotated[str, nc.Text(80)] = ""


SERVER = Contract(Input, [Ship], [Chat])
NAMES = st.text(max_size=40)
NAMED = st.tuples(NAMES, st.integers(0, 2**64 - 1))


def as_sent(contract: Contract) -> Hello:
    hello = parse_control(contract.hello().encode())
    assert isinstance(hello, Hello)
    return hello


@given(
    st.integers(0, 2**40),
    st.none() | NAMED,
    st.lists(NAMED, max_size=5),
    st.lists(NAMED, max_size=5),
)
def test_hellos_round_trip(revision, held, tables, messages) -> None:
    hello = Hello(revision, held, tuple(tables), tuple(messages))
    assert parse_control(hello.encode()) == hello


@given(st.integers(0, 65534), st.floats(0.01, 1000), st.integers(0, 2**31 - 1))
def test_welcomes_round_trip(index, rate, tick) -> None:
    welcome = Welcome(index, rate, tick, (TableInfo("Ship", 64), TableInfo("Ünïcode", 65536)))
    assert parse_control(welcome.encode()) == welcome


def test_refusals_and_goodbyes_round_trip() -> None:
    refusal = SERVER.refusal()
    assert parse_control(refusal.encode()) == refusal
    assert parse_control(Bye("too loud").encode()) == Bye("too loud")
    long = parse_control(Bye("ü" * 1000).encode())
    assert isinstance(long, Bye)
    assert long.reason == "ü" * 127


@pytest.mark.parametrize(
    "control",
    [
        SERVER.hello(),
        SERVER.refusal(),
        Welcome(3, 60.0, 1000, (TableInfo("Ship", 64),)),
        Bye("reason"),
    ],
)
def test_every_truncation_and_bit_flip_is_refused_or_another_message(control) -> None:
    data = control.encode()
    for size in range(len(data)):
        with pytest.raises(DecodeError):
            parse_control(data[:size])
    with pytest.raises(DecodeError):
        parse_control(data + b"\0")
    for bit in range(len(data) * 8):
        flipped = bytearray(data)
        flipped[bit // 8] ^= 1 << bit % 8
        try:
            other = parse_control(bytes(flipped))
        except DecodeError:
            continue
        assert other != control


@given(st.binary(max_size=300))
def test_rubbish_is_refused_or_parsed(data: bytes) -> None:
    with contextlib.suppress(DecodeError):
        parse_control(data)


@pytest.mark.parametrize("rate", [0.0, -1.0, float("nan"), float("inf"), 2e6])
def test_absurd_tick_rates_are_refused(rate: float) -> None:
    with pytest.raises(DecodeError, match="tick rate"):
        parse_control(Welcome(0, rate, 0, ()).encode())


def test_counts_are_bounded_before_anything_is_made() -> None:
    with pytest.raises(DecodeError, match="over 256"):
        parse_control(b"\x01\x01\x00\xff\xff\xff\xff\x0f")


def test_a_server_accepts_the_same_contract_and_less() -> None:
    assert SERVER.settle(as_sent(SERVER))
    assert SERVER.settle(as_sent(Contract(None, [Ship], [Chat])))
    assert SERVER.settle(as_sent(Contract(Input, [], [Chat])))
    assert not SERVER.settle(as_sent(Contract(Input, [Ship], [])))
    assert not SERVER.settle(as_sent(Contract(Ship, [Ship], [Chat])))
    assert not SERVER.settle(as_sent(Contract(Input, [Ship, Chat], [Chat])))
    assert not Contract(None, [Ship], [Chat]).settle(as_sent(SERVER))
    assert not SERVER.settle(SERVER.hello()._replace(revision=REVISION + 1))


def test_hashes_settle_the_versions() -> None:
    class Trade(nc.Schema, since=2):
        item: Annotated[int, nc.Range(0, 9)] = 0
        count: Annotated[int, nc.Range(0, 9), nc.Since(3)] = 0

    class Grown(nc.Schema):
        thrust: bool = False
        boost: Annotated[bool, nc.Since(3)] = False

    server = Contract(Grown, [Ship], [Chat, Trade])
    assert server.settle(as_sent(server)) == Spoken(3, (1, 3))
    assert server.settle(as_sent(Contract(Input, [], [Chat]))) == Spoken(1, (1, 0))
    assert server.settle(as_sent(Contract(None, [], [Chat]))) == Spoken(0, (1, 0))
    assert server.settle(as_sent(Contract(Grown, [], []))) is None
    assert server.settle(as_sent(Contract(Grown, [], [Chat, Trade, Ship]))) is None
    assert server.settle(as_sent(Contract(Input, [], [Trade, Chat]))) is None
    two = ("Trade", Trade.codec_for(2).schema_hash)
    hello = server.hello()
    assert server.settle(hello._replace(messages=(hello.messages[0], two))) == Spoken(3, (1, 2))


def test_the_client_finds_the_difference_in_words() -> None:
    class Other(nc.Schema):
        x: Annotated[float, nc.Quantized(0, 1, bits=8)] = 0.0
        hp: Annotated[int, nc.Range(0, 255)] = 100

    Other.__name__ = "Ship"
    refusal = parse_control(SERVER.refusal().encode())
    assert isinstance(refusal, Refusal)
    (line,) = Contract(Input, [Other], [Chat]).compare(refusal)
    assert line.startswith("table Ship: ")
    assert "hp" in line
    assert "255" in line
    assert "100" in line
    assert Contract(Ship, [], [Chat]).compare(refusal) == [
        "input: the server has Input, this client Ship"
    ]
    newer = refusal._replace(revision=9)
    assert "revision: the server has 9" in SERVER.compare(newer)[0]
    silent = Refusal(REVISION, None, (), ())
    assert Contract(Input, [], []).compare(silent) == ["input Input: the server takes no input"]
    assert Contract(None, [], []).compare(silent) == ["the server did not say what differs"]


def test_a_refusal_too_long_to_send_is_cut_and_says_so() -> None:
    class Big(nc.Schema):
        a: Annotated[int, nc.Range(0, 1)] = 0

    description = tuple(f"field {i}: " + "x" * 500 for i in range(2000))
    big = SERVER.refusal()
    big = big._replace(tables=(big.tables[0]._replace(lines=description),))
    data = big.encode()
    assert len(data) < MAX_REFUSAL + 2000
    parsed = parse_control(data)
    assert isinstance(parsed, Refusal)
    assert "cut" in parsed.tables[0].lines[-1]
