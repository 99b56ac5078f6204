"""The worked examples of docs/reference/wire-format.md, against the code."""

from __future__ import annotations

import enum
import io
import re
from collections.abc import Callable
from typing import Annotated

import numpy as np
import pytest
from oracle.delta import predicted_slots
from pages import ROOT, blocks, hex_bytes

from netcode.bits import BitReader, BitWriter
from netcode.channel import ChannelEndpoint, Frame, Message
from netcode.channel.acks import ReceivedPackets, decode_acks
from netcode.channel.transfers import Incoming, Transfers
from netcode.compat.reliable import ReliableConfig, ReliableEndpoint, read_header
from netcode.delta import Decoder, Held, History, Layout, encode_sections
from netcode.delta.model import untrained_for
from netcode.replication.contract import Contract, Spoken
from netcode.replication.hello import TRANSFER, parse_control
from netcode.replication.inputs import InputSender, TimeFrame
from netcode.replication.messages import Kind, MessageRegistry
from netcode.schema import ArrayOf, Bits, Quantized, Range, Schema, Text
from netcode.security.packet import PacketType, open_packet, seal_packet

PAGE = ROOT / "docs" / "reference" / "wire-format.md"
EXAMPLES = {block.argument: block for block in blocks(PAGE) if block.mark == "bytes"}
CHECKS: dict[str, Callable[[bytes], None]] = {}
KEY = bytes(range(32))
PROTOCOL_ID = 0x1122_3344_5566_7788


def checks(name: str) -> Callable[[Callable[[bytes], None]], Callable[[bytes], None]]:
    def register(check: Callable[[bytes], None]) -> Callable[[bytes], None]:
        CHECKS[name] = check
        return check

    return register


@checks("varint")
def check_varint(data: bytes) -> None:
    writer, reader = BitWriter(), BitReader(data)
    for value in (0, 127, 128, 300):
        writer.write_varint(value)
        assert reader.read_varint() == value
    assert writer.to_bytes() == data


@checks("keep-alive")
def check_keep_alive(data: bytes) -> None:
    body = (3).to_bytes(4, "little") + (64).to_bytes(4, "little")
    opened = open_packet(data, protocol_id=PROTOCOL_ID, key=KEY)
    assert (opened.reason, opened.type, opened.sequence) == ("ok", PacketType.KEEP_ALIVE, 5)
    assert opened.body == body
    sealed = seal_packet(PacketType.KEEP_ALIVE, 5, body, protocol_id=PROTOCOL_ID, key=KEY)
    assert sealed == data


@checks("ack")
def check_ack(data: bytes) -> None:
    delay, ranges, size = decode_acks(data, 10)
    assert delay == pytest.approx(0.02)
    assert [tuple(each) for each in ranges] == [(6, 9), (0, 3)]
    assert size == len(data)
    received = ReceivedPackets()
    for sequence in (0, 1, 2, 3, 6, 7, 8, 9):
        received.add(sequence, now=1.0)
    assert received.encode(1.0201) == data


@checks("packet")
def check_packet(data: bytes) -> None:
    sender, receiver = ChannelEndpoint(), ChannelEndpoint()
    sender.push(1, b"hi")
    sender.push(1, b"you")
    sender.push(2, b"x")
    sender.push_frame(0x40, b"\x00\x00\x07")
    assert sender.build_all(0.0) == [data]
    assert receiver.receive(data, 0.0) is None
    assert receiver.drain() == [
        Frame(0x40, b"\x00\x00\x07"),
        Message(1, b"hi"),
        Message(1, b"you"),
        Message(2, b"x"),
    ]


class Unit(Schema):
    hp: Annotated[int, Range(0, 100)]
    x: Annotated[int, Bits(8)]


class Say(Schema):
    number: Annotated[int, Bits(8)]


class Keys(enum.Flag):
    UP = 1
    DOWN = 2


class Item(Schema):
    alive: bool
    hp: Annotated[int, Range(0, 100)]
    x: Annotated[float, Quantized(0, 960, step=1 / 16)]
    keys: Keys
    target: Annotated[int, Range(0, 63)] | None
    name: Annotated[str, Text(12)]
    path: Annotated[list[int], ArrayOf(Bits(4), max=3)]


def history_of_units() -> History:
    """Ticks 258 and 260 of slots 2 and 5; slot 5 is client 3's and loses a point."""
    history = History(Layout.of(Unit, 16))
    alive = np.zeros(16, np.uint8)
    alive[[2, 5]] = 1
    owner = np.full(16, -1, np.int32)
    owner[5] = 3
    for tick, hp in ((258, 80), (260, 79)):
        lanes = history.stage(tick)
        lanes[:] = 0
        lanes[:, 2] = (100, 7)
        lanes[:, 5] = (hp, 0)
        history.commit(alive, alive.astype(np.uint16), owner)
    return history


@checks("full-section")
def check_full_section(data: bytes) -> None:
    ((section, slots),) = encode_sections(history_of_units(), [2, 5], tick=258)
    assert section == data
    held = Held(Layout.of(Unit, 16))
    assert Decoder(held).receive(data, 258) == (258, [2, 5])
    assert held.lanes[:, [2, 5]].tolist() == [[100, 80], [7, 0]]
    assert held.owner[slots].tolist() == [-1, 3]


@checks("delta-section")
def check_delta_section(data: bytes) -> None:
    ((section, _),) = encode_sections(history_of_units(), [5], tick=260, baseline=258)
    assert section == data
    held = Held(Layout.of(Unit, 16))
    decoder = Decoder(held)
    decoder.receive(hex_bytes(EXAMPLES["full-section"].text), 258)
    assert decoder.receive(data, 260) == (260, [5])
    assert held.lanes[:, 5].tolist() == [79, 0]


@checks("predicted-section")
def check_predicted_section(data: bytes) -> None:
    model = untrained_for(Unit)
    assert model is not None
    ((section, _),) = encode_sections(
        history_of_units(), [5], tick=260, baseline=258, coder=model.coder(16)
    )
    assert section == data
    assert predicted_slots(16, data) == (2, 0, [5])
    held = Held(Layout.of(Unit, 16))
    decoder = Decoder(held, model)
    decoder.receive(hex_bytes(EXAMPLES["full-section"].text), 258)
    assert decoder.receive(data, 260) == (260, [5])
    assert held.lanes[:, 5].tolist() == [79, 0]


@checks("input")
def check_input(data: bytes) -> None:
    sender = InputSender()
    for tick, encoded in ((41, b"\x01"), (42, b"\x01"), (43, b"\x03")):
        sender.add(tick, encoded)
    assert sender.frame() == data


@checks("time")
def check_time(data: bytes) -> None:
    assert TimeFrame(258, 41, 43).encode() == data
    assert TimeFrame.decode(data) == (258, 41, 43)


@checks("hello")
def check_hello(data: bytes) -> None:
    hello = Contract(None, (Unit,), ()).hello()
    assert hello.encode() == data
    assert parse_control(data) == hello


@checks("transfer")
def check_transfer(data: bytes) -> None:
    offers: list[Incoming] = []
    sender, receiver = Transfers(offers.append), Transfers(offers.append)
    seen: list[bytes] = []

    def to_receiver(note: bytes) -> bool:
        seen.append(note)
        receiver.receive(note, data_channel=True)
        return True

    def to_sender(note: bytes) -> bool:
        seen.append(bytes([TRANSFER]) + note)
        sender.receive(note, data_channel=False)
        return True

    outgoing = sender.open("map", 5, io.BytesIO(b"hello"))
    sender.pump(to_receiver, to_receiver)
    offers[0].accept(1 << 20, 1 << 18)
    receiver.pump(to_sender, to_sender)
    sender.pump(to_receiver, to_receiver)
    assert offers[0].read(100) == b"hello"
    receiver.pump(to_sender, to_sender)
    assert b"".join(seen) == data
    assert outgoing.done
    assert outgoing.reason is None


@checks("welcome")
def check_welcome(data: bytes) -> None:
    contract = Contract(None, (Unit,), ())
    spoken = Spoken(0, (), (1,))
    assert contract.settle(contract.hello()) == spoken
    welcome = contract.welcome(contract.hello(), spoken, 3, 60.0, 258, [16])
    assert welcome.encode() == data
    assert parse_control(data) == welcome
    assert contract.read(welcome) == spoken


@checks("request")
def check_request(data: bytes) -> None:
    registry = MessageRegistry([Unit, Say])
    assert registry.encode(Say(number=5), Kind.REQUEST, 9) == data
    assert registry.decode(data) == (Kind.REQUEST, 9, Say(number=5))


@checks("object")
def check_object(data: bytes) -> None:
    item = Item(alive=True, hp=75, x=100.5, keys=Keys.UP, target=None, name="Al", path=[1, 2])
    assert item.encode() == data
    assert Item.decode(data) == item


@checks("reliable-packet")
def check_reliable_packet(data: bytes) -> None:
    end = ReliableEndpoint(sequence=5)
    peer = ReliableEndpoint()
    for sequence in range(5):
        (datagram,) = peer.send(b"x", 0.0)
        if sequence != 3:
            end.receive(datagram, 0.0)
    # Of the 32 only these five were ever sent; the page shows a line that has been up longer.
    (sent,) = end.send(b"hi", 0.0)
    assert read_header(sent)[:3] == (5, 4, 0b11101)
    assert read_header(data) == (5, 4, 0xFFFFFFFD, 5)
    assert ReliableEndpoint().receive(data, 0.0) == (5, b"hi")


@checks("reliable-fragment")
def check_reliable_fragment(data: bytes) -> None:
    config = ReliableConfig(fragment_above=2, fragment_size=2)
    first, second = ReliableEndpoint(config, sequence=6).send(b"hi!", 0.0)
    assert second == data
    receiver = ReliableEndpoint(config)
    assert [receiver.receive(each, 0.0) for each in (first, data)] == [None, (6, b"hi!")]


def bits_shown(text: str) -> str:
    """The bits in the first column of a block."""
    return "".join(re.sub(r"  .*", "", line.strip()).replace(" ", "") for line in text.split("\n"))


@pytest.mark.parametrize("name", ["full-section", "object"])
def test_bits_shown_are_the_bytes(name: str) -> None:
    page = list(blocks(PAGE))
    at = next(i for i, block in enumerate(page) if block.argument == name)
    body = hex_bytes(page[at].text)[5 if name == "full-section" else 0 :]
    assert bits_shown(page[at + 1].text) == "".join(f"{byte:08b}"[::-1] for byte in body)


def test_every_example_has_a_check() -> None:
    assert sorted(EXAMPLES) == sorted(CHECKS)


@pytest.mark.parametrize("name", sorted(EXAMPLES))
def test_example(name: str) -> None:
    CHECKS[name](hex_bytes(EXAMPLES[name].text))
