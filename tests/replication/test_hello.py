import contextlib
from typing import Annotated

import pytest
from hypothesis import given
from hypothesis import strategies as st

import netcode as nc
from netcode.errors import DecodeError
from netcode.replication.contract import Contract, Spoken
from netcode.replication.hello import (
    MAX_HELLO,
    MAX_MODELS,
    MAX_REFUSAL,
    REVISION,
    Bye,
    Hello,
    ModelName,
    Offer,
    Refusal,
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
HASHES = st.integers(0, 2**64 - 1)
SINCE = st.integers(0, 2**40)
OFFERS = st.builds(Offer, NAMES, SINCE, st.lists(HASHES, max_size=16).map(tuple), st.just(()))
MODELS = st.builds(ModelName, HASHES, st.text("aß", max_size=32))
OFFERED = st.builds(Offer._replace, OFFERS, models=st.lists(MODELS, max_size=MAX_MODELS).map(tuple))
SAID = st.tuples(st.none(), st.just(False)) | st.tuples(MODELS, st.booleans())
INFOS = st.builds(
    lambda number, name, capacity, key, said: TableInfo(number, name, capacity, key, *said),
    st.integers(0, 255), NAMES, st.integers(0, 65536), HASHES, SAID,
)  # fmt: skip
TABLE = TableInfo(0, "Ship", 64, Ship.schema_hash)
MODELLED = TABLE._replace(model=ModelName(77, "ship"))
WELCOME = Welcome(3, 60.0, 1000, Input.schema_hash, (Chat.schema_hash,), (TABLE,))


def as_sent(contract: Contract) -> Hello:
    hello = parse_control(contract.hello().encode())
    assert isinstance(hello, Hello)
    return hello


@given(st.none() | OFFERS, st.lists(OFFERED, max_size=5), st.lists(OFFERS, max_size=5))
def test_hellos_round_trip(held, tables, messages) -> None:
    hello = Hello(REVISION, held, tuple(tables), tuple(messages))
    assert parse_control(hello.encode()) == hello


@pytest.mark.parametrize("revision", [0, 1, REVISION - 1, REVISION + 1, 2**40])
def test_of_another_revision_only_the_revision_is_read(revision: int) -> None:
    for kind, control in ((1, Hello), (3, Refusal)):
        head = control(revision, None, (), ()).encode()[:-3]
        for rest in (b"", b"\0\0\0", b"what comes then has a form of its own"):
            assert parse_control(head + rest) == control(revision, None, (), ())
        assert head[0] == kind
    assert SERVER.settle(Hello(revision, None, (), ())) is None


@given(
    st.integers(0, 65534),
    st.floats(0.01, 1000),
    st.integers(0, 2**31 - 1),
    st.none() | HASHES,
    st.lists(st.none() | HASHES, max_size=5),
    st.lists(INFOS),
)
def test_welcomes_round_trip(index, rate, tick, held, messages, tables) -> None:
    welcome = Welcome(index, rate, tick, held, tuple(messages), tuple(tables))
    assert parse_control(welcome.encode()) == welcome


def test_refusals_and_goodbyes_round_trip() -> None:
    refusal = SERVER.refusal()
    assert parse_control(refusal.encode()) == refusal
    assert parse_control(Bye("too loud").encode()) == Bye("too loud", 0)
    for code in (0, 3, 127, 128, 255):  # any byte: a newer end may know more
        assert parse_control(Bye("", code).encode()) == Bye("", code)
    long = parse_control(Bye("ü" * 1000).encode())
    assert isinstance(long, Bye)
    assert long.reason == "ü" * 127


@pytest.mark.parametrize(
    "control",
    [
        SERVER.hello(),
        SERVER.refusal(),
        WELCOME,
        WELCOME._replace(tables=(MODELLED,)),
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
        if bit // 8 == 1 and data[0] in (1, 3):
            continue  # the revision: then the rest is not read
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
        parse_control(Welcome(0, rate, 0, None, (), ()).encode())


def test_counts_are_bounded_before_anything_is_made() -> None:
    with pytest.raises(DecodeError, match="over 256"):
        parse_control(bytes([1, REVISION, 0]) + b"\xff\xff\xff\xff\x0f")
    with pytest.raises(DecodeError, match="over 16"):
        parse_control(bytes([1, REVISION, 1]) + b"\x01A\x01\xff\xff\xff\xff\x0f")
    with pytest.raises(DecodeError, match="over 255"):
        parse_control(WELCOME._replace(tables=(TABLE._replace(number=256),)).encode())


def test_a_server_accepts_the_same_contract_and_less() -> None:
    assert SERVER.settle(as_sent(SERVER))
    assert SERVER.settle(as_sent(Contract(None, [Ship], [Chat])))
    assert SERVER.settle(as_sent(Contract(Input, [], [Chat])))
    assert not SERVER.settle(as_sent(Contract(Input, [Ship], [])))
    assert not SERVER.settle(as_sent(Contract(Ship, [Ship], [Chat])))
    assert not SERVER.settle(as_sent(Contract(Input, [Ship, Chat], [Chat])))
    assert not Contract(None, [Ship], [Chat]).settle(as_sent(SERVER))
    assert not SERVER.settle(SERVER.hello()._replace(revision=REVISION + 1))


class Trade(nc.Schema, since=2):
    item: Annotated[int, nc.Range(0, 9)] = 0
    count: Annotated[int, nc.Range(0, 9), nc.Since(3)] = 0


class Grown:
    """The same application, three versions on."""

    class Input(nc.Schema):
        thrust: bool = False
        boost: Annotated[bool, nc.Since(3)] = False

    class Ship(Ship):
        mana: Annotated[int, nc.Range(0, 9), nc.Since(2)] = 5

    class Rock(nc.Schema, since=3):
        size: Annotated[int, nc.Range(0, 9)] = 0


NEW = Contract(Grown.Input, [Grown.Rock, Grown.Ship], [Chat, Trade])


def talk(client: Contract, server: Contract) -> tuple[Spoken, Spoken] | None:
    """The versions that each end speaks after the hello, in its own numbers."""
    hello = as_sent(client)
    spoken = server.settle(hello)
    if spoken is None:
        return None
    capacities = [10 * (n + 1) for n in range(len(server.tables))]
    welcome = parse_control(server.welcome(hello, spoken, 3, 60.0, 9, capacities).encode())
    assert isinstance(welcome, Welcome)
    for info in welcome.tables:
        assert server.tables[info.number].__name__ == info.name
        assert info.capacity == capacities[info.number]
    read = client.read(welcome)
    assert read is not None
    return read, spoken


def test_hashes_settle_the_versions() -> None:
    same = Spoken(3, (1, 3), (3, 2))
    assert talk(NEW, NEW) == (same, same)
    assert talk(SERVER, NEW) == (Spoken(1, (1,), (1,)), Spoken(1, (1, 0), (0, 1)))
    assert talk(NEW, SERVER) == (Spoken(1, (1, 0), (0, 1)), Spoken(1, (1,), (1,)))
    watcher = Contract(None, [], [Chat])
    assert talk(watcher, NEW) == (Spoken(0, (1,), ()), Spoken(0, (1, 0), (0, 0)))
    assert talk(Contract(Grown.Input, [], []), NEW) is None  # Chat is there since version 1
    assert talk(Contract(None, [], [Chat, Trade, Ship]), NEW) is None
    assert talk(Contract(None, [], [Trade, Chat]), NEW) is None
    assert talk(Contract(None, [Ship, Input], [Chat]), NEW) is None
    assert talk(Contract(None, [Grown.Rock], [Chat]), NEW) is None  # without Ship


def test_both_ends_may_have_grown_since_they_parted() -> None:
    """Neither knows the other's newest version, but both know the one before."""

    class Left(nc.Schema):
        a: bool = False
        b: Annotated[bool, nc.Since(2)] = False
        left: Annotated[bool, nc.Since(3)] = False

    class Right(nc.Schema):
        a: bool = False
        b: Annotated[bool, nc.Since(2)] = False
        right: Annotated[int, nc.Range(0, 3), nc.Since(3)] = 0

    Left.__name__ = Right.__name__ = "Both"
    one, other = Contract(None, [Left], [Left]), Contract(None, [Right], [Right])
    assert talk(one, other) == (Spoken(0, (2,), (2,)), Spoken(0, (2,), (2,)))


def test_a_table_named_twice_is_no_contract() -> None:
    hello = as_sent(SERVER)
    assert SERVER.settle(hello._replace(tables=hello.tables * 2)) is None


WELCOMES = {
    "another client's input": WELCOME._replace(input=None),
    "an input nobody knows": WELCOME._replace(input=5),
    "a message nobody knows": WELCOME._replace(messages=(5,)),
    "a message that must be there": WELCOME._replace(messages=(None,)),
    "too few messages": WELCOME._replace(messages=()),
    "too many messages": WELCOME._replace(messages=(Chat.schema_hash, None)),
    "no table": WELCOME._replace(tables=()),
    "a table twice": WELCOME._replace(tables=(TABLE, TABLE._replace(number=1))),
    "a number twice": WELCOME._replace(tables=(TABLE, TABLE._replace(name="Rock"))),
    "another table": WELCOME._replace(tables=(TABLE._replace(name="Rock"),)),
    "another version": WELCOME._replace(tables=(TABLE._replace(schema_hash=5),)),
}


@pytest.mark.parametrize("welcome", WELCOMES.values(), ids=WELCOMES.keys())
def test_a_welcome_that_answers_another_hello(welcome: Welcome) -> None:
    assert SERVER.read(WELCOME) == Spoken(1, (1,), (1,))
    assert SERVER.read(welcome) is None
    watcher = Contract(None, [], [])
    assert watcher.read(WELCOME._replace(input=5, messages=(), tables=())) == Spoken(0, (), ())


def test_numbers_of_tables_rise() -> None:
    rock, ship = (TableInfo(n, each.__name__, 9, each.schema_hash)
                  for n, each in enumerate(NEW.tables))  # fmt: skip
    messages = Chat.schema_hash, Trade.schema_hash
    welcome = Welcome(0, 60.0, 0, Grown.Input.schema_hash, messages, (rock, ship))
    assert NEW.read(welcome) == Spoken(3, (1, 3), (3, 2))
    assert NEW.read(welcome._replace(tables=(ship, rock))) is None
    assert NEW.read(welcome._replace(tables=(ship,))) == Spoken(3, (1, 3), (0, 2))


def test_a_long_hello_offers_fewer_versions() -> None:
    hints = {f"f{n}": Annotated[bool, nc.Since(n)] for n in range(1, 21)}
    body = {"__annotations__": hints, "__module__": __name__, **dict.fromkeys(hints, False)}
    many = type(nc.Schema)("Many", (nc.Schema,), body)
    few = Contract(None, [many], [])
    assert len(few.hello().tables[0].hashes) == 16
    assert few.hello().tables[0].hashes[0] == many.schema_hash
    long = Contract(None, [many], [many] * 700)
    hello = as_sent(long)
    assert len(hello.encode()) <= MAX_HELLO
    assert len(hello.messages[0].hashes) == 4
    assert long.settle(hello) == Spoken(0, (20,) * 700, (20,))


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


def test_what_has_a_version_in_common_is_not_named() -> None:
    """The difference names what is wrong, not what is only newer on one end."""

    class Chat(nc.Schema):
        text: Annotated[str, nc.Text(90)] = ""

    old = Contract(Input, [Ship], [Chat])
    assert talk(old, NEW) is None
    refusal = parse_control(NEW.refusal().encode())
    assert isinstance(refusal, Refusal)
    assert old.compare(refusal) == ["message 0 Chat: text: text 90 bytes became text 80 bytes"]
    assert Contract(Input, [], []).compare(refusal) == [
        "message 0: the server has Chat, this client none"
    ]
    back = parse_control(Contract(Input, [Ship], [Chat]).refusal().encode())
    assert isinstance(back, Refusal)
    assert len(NEW.compare(back)) == 1
    assert Contract(None, [Grown.Rock], [Chat]).compare(back) == [
        "table Ship: the server has it, this client does not (add it to tables=)"
    ]


def test_versions_without_one_in_common_say_so() -> None:
    class Ship(nc.Schema):
        x: Annotated[float, nc.Quantized(0, 1, bits=8)] = 0.0
        hp: Annotated[int, nc.Range(0, 100)] = 100
        mana: Annotated[int, nc.Range(0, 9)] = 5  # the server gave up version 1

    refusal = parse_control(Contract(Input, [Ship], [Chat]).refusal().encode())
    assert isinstance(refusal, Refusal)
    assert SERVER.compare(refusal) == ["table Ship: mana: added, int 0..9"]
    assert Contract(Input, [Grown.Ship], [Chat]).compare(refusal) == [
        "the server did not say what differs"
    ]


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
