import contextlib
from typing import Annotated

import pytest
from hypothesis import given
from hypothesis import strategies as st

import netcode as nc
from netcode.errors import ConfigError, DecodeError
from netcode.replication.messages import MAX_OLDER, MAX_TYPES, Kind, MessageRegistry


class Chat(nc.Schema):
    text: Annotated[str, nc.Text(80)] = ""


class Buy(nc.Schema):
    item: Annotated[int, nc.Range(0, 100)] = 0


class Trade(nc.Schema, since=2):
    item: Annotated[int, nc.Range(0, 100)] = 0
    count: Annotated[int, nc.Range(1, 99), nc.Since(3)] = 1


REGISTRY = MessageRegistry([Chat, Buy])
GROWN = MessageRegistry([Chat, Trade])


def test_a_plain_message_costs_one_byte_more_than_its_fields() -> None:
    data = REGISTRY.encode(Buy(7))
    assert len(data) == 1 + len(Buy(7).encode())
    assert REGISTRY.decode(data) == (Kind.PLAIN, 0, Buy(7))


def test_older_versions_of_the_same_types() -> None:
    old, older = GROWN.speaking((1, 2)), GROWN.speaking((1, 0))
    assert GROWN.speaking((1, 3)) is GROWN
    assert GROWN.speaking((1, 2)) is old
    assert old.encode(Trade(7, 3)) == b"\x04\x07"
    assert old.decode(b"\x04\x07").message == Trade(7, 1)
    assert older.encode(Chat("x")) == GROWN.encode(Chat("x"))
    assert [each.knows(Trade) for each in (GROWN, old, older)] == [True, True, False]
    with pytest.raises(ConfigError, match="Trade was added in version 2"):
        older.encode(Trade())
    with pytest.raises(DecodeError, match="no message type 1 in the version of this peer"):
        older.decode(b"\x04\x07")


def test_few_sets_of_versions_are_kept_whatever_peers_say() -> None:
    registry = MessageRegistry([Chat, Trade, *(type(nc.Schema)(f"T{i}", (nc.Schema,), {}, since=2)
                                               for i in range(8))])  # fmt: skip
    for n in range(2**8):
        registry.speaking((1, 3, *((n >> i & 1) * 2 for i in range(8))))
    assert len(registry.older) == MAX_OLDER


@given(
    st.sampled_from([Kind.REQUEST, Kind.REPLY]),
    st.integers(0, 2**32 - 1),
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20),
)
def test_requests_and_replies_carry_their_correlation(kind, number, text) -> None:
    assert REGISTRY.decode(REGISTRY.encode(Chat(text), kind, number)) == (kind, number, Chat(text))


@pytest.mark.parametrize("data", [b"", b"\x08", b"\x03\x00", b"\x07\x00", b"\x80\x80", b"\x01"])
def test_unknown_types_kinds_and_cut_heads_are_refused(data: bytes) -> None:
    with pytest.raises(DecodeError):
        REGISTRY.decode(data)


def test_correlations_are_bounded() -> None:
    with pytest.raises(DecodeError):
        REGISTRY.decode(b"\x01\xff\xff\xff\xff\x1f" + Chat("x").encode())


@given(st.binary(max_size=100))
def test_rubbish_never_does_more_than_fail(data: bytes) -> None:
    with contextlib.suppress(DecodeError):
        REGISTRY.decode(data)


def test_every_truncation_and_bit_flip() -> None:
    data = REGISTRY.encode(Chat("hello there"), Kind.REQUEST, 300)
    for size in range(len(data)):
        with pytest.raises(DecodeError):
            REGISTRY.decode(data[:size])
    for bit in range(len(data) * 8):
        flipped = bytearray(data)
        flipped[bit // 8] ^= 1 << bit % 8
        with contextlib.suppress(DecodeError):
            assert REGISTRY.decode(bytes(flipped)) != REGISTRY.decode(data)


def test_registration_mistakes_are_found_at_once() -> None:
    with pytest.raises(ConfigError, match="Chat is listed twice"):
        MessageRegistry([Chat, Buy, Chat])
    with pytest.raises(ConfigError, match="not a Schema class"):
        MessageRegistry([Chat("an object")])  # type: ignore[list-item]
    with pytest.raises(ConfigError, match=f"at most {MAX_TYPES}"):
        MessageRegistry([Chat] * (MAX_TYPES + 1))
    with pytest.raises(ConfigError, match=r"Buy is not a registered.*registered: Chat"):
        MessageRegistry([Chat]).encode(Buy())
    with pytest.raises(ConfigError, match="registered: none"):
        MessageRegistry([]).encode(Buy())
