"""A tick's messages, frames and events as arrays, and one call that pushes to many."""

from __future__ import annotations

import gc

import numpy as np
import pytest
from session.crowd import CHANNELS, RELIABLE, STEP, UNRELIABLE, Crowd
from session.harness import World, connect, make_client, make_server

from netcode.errors import ConfigError, EncodeError
from netcode.session import (
    EVENT_DTYPE,
    MESSAGE_DTYPE,
    DisconnectReason,
    MessageBatch,
)


def pair() -> World:
    world = World(make_server(channels=CHANNELS), [make_client(channels=CHANNELS)])
    connect(world)
    world.server.events()
    return world


def test_records_and_items_agree() -> None:
    world = pair()
    client = next(iter(world.clients.values()))
    said = [b"one", b"", bytes(range(256)), b"four"]
    for data in said:
        client.push(RELIABLE, data)
    client.push_frame(0x50, b"frame")
    client.push(UNRELIABLE, b"loose")
    world.run(0.1)
    batch, frames = world.server.receive_messages(), world.server.receive_frames()
    assert [item for item in batch if item[1] == RELIABLE] == [(0, RELIABLE, d) for d in said]
    assert list(frames) == [(0, 0x50, b"frame")]
    assert len(batch) == 5
    assert batch
    assert not world.server.receive_messages()
    assert batch.nbytes == sum(map(len, said)) + 5
    records, buffer = batch.records, batch.buffer
    assert records.dtype == MESSAGE_DTYPE
    assert not records.flags.writeable
    assert buffer.readonly
    for number, row in enumerate(records):
        data = bytes(buffer[row["offset"] : row["offset"] + row["size"]])
        assert batch[number] == (row["index"], row["channel"], data)
        assert bytes(batch.view(number)) == data
    assert batch[-1] == batch[4]
    for number in (5, -6):
        with pytest.raises(IndexError):
            batch[number]
    assert "5 messages" in repr(batch)


def test_views_outlive_everything() -> None:
    world = pair()
    client = next(iter(world.clients.values()))
    kept = []
    for round_ in range(20):
        client.push(RELIABLE, bytes([round_]) * 1000)
        world.run(0.1)
        batch = world.server.receive_messages()
        kept.append((batch.records, batch.view(0), batch.buffer))
        del batch
        for _ in range(3):  # batches that nobody keeps use the same memory again
            client.push(RELIABLE, b"\xff" * 1000)
            world.run(0.1)
            assert world.server.receive_messages()[0][2] == b"\xff" * 1000
    del world
    gc.collect()
    for round_, (records, view, buffer) in enumerate(kept):
        assert bytes(view) == bytes([round_]) * 1000
        at = records["offset"][0]
        assert buffer[at : at + 1000] == view


def test_the_other_kind_left_lying_keeps_no_memory_of_this_one() -> None:
    world = pair()
    client = next(iter(world.clients.values()))
    for number in range(30):
        client.push_frame(0x41, b"%d" % number)
        client.push(RELIABLE, bytes(1000))
        world.run(0.1)
        assert len(world.server.receive_messages()) == 1
    frames = world.server.receive_frames()
    assert [data for _, _, data in frames] == [b"%d" % n for n in range(30)]
    assert len(frames.buffer) < 200


def test_empty_batches() -> None:
    server = make_server()
    for batch in (server.receive_messages(), server.receive_frames()):
        assert isinstance(batch, MessageBatch)
        assert list(batch) == []
        assert len(batch.records) == 0
        assert len(batch.buffer) == 0


def test_events_as_an_array() -> None:
    server = make_server(max_clients=8, channels=CHANNELS)
    world = World(server, [make_client(channels=CHANNELS)])
    connect(world)
    events = server.receive_events()
    assert events.dtype == EVENT_DTYPE
    assert events.tolist() == [(0, 1, 1, True, 0, False)]
    assert len(server.receive_events()) == 0
    server.disconnect(0)
    (row,) = server.receive_events()
    assert not row["connected"]
    assert list(DisconnectReason)[row["reason"]] is DisconnectReason.CLOSED
    assert server.events() == []


# Pushing to many


def received(crowd: Crowd) -> dict[int, list[bytes]]:
    found: dict[int, list[bytes]] = {}
    for client in crowd.clients.values():
        data = [data for _, _, data in client.messages()]
        if data:
            found[client.client_index] = data
    return found


def test_the_same_to_many_and_one_each() -> None:
    crowd = Crowd(10)
    crowd.server.disconnect(9)
    status = crowd.server.push_many(np.array([1, 3, 9, 5], np.uint16), RELIABLE, b"hello")
    assert status.tolist() == [0, 0, 2, 0]
    crowd.step()
    assert received(crowd) == {1: [b"hello"], 3: [b"hello"], 5: [b"hello"]}
    status = crowd.server.push_many([0, 2, 0], RELIABLE, b"aabbbc", offsets=[0, 2, 5, 6])
    assert status.tolist() == [0, 0, 0]
    crowd.step()
    assert received(crowd) == {0: [b"aa", b"c"], 2: [b"bbb"]}
    assert crowd.server.push_many([], RELIABLE, b"nobody").tolist() == []


def test_a_full_queue_is_reported_and_the_others_get_theirs() -> None:
    crowd = Crowd(2)
    large = bytes(60_000)
    while (status := crowd.server.push_many([0], RELIABLE, large))[0] == 0:
        pass
    assert status.tolist() == [1]
    assert crowd.server.push_many([0, 1], RELIABLE, large).tolist() == [1, 0]


def test_misuse_queues_nothing() -> None:
    crowd = Crowd(2)
    push = crowd.server.push_many
    for indices in ([0, 300], [-1], [0.5], [[0]]):
        with pytest.raises(ConfigError, match="indices"):
            push(indices, RELIABLE, b"x")
    for offsets in ([0, 1], [0, 2, 1], [0, 1, 9], [-1, 0, 1]):
        with pytest.raises(ConfigError, match="offsets"):
            push([0, 1], RELIABLE, b"xy", offsets=offsets)
    with pytest.raises(ConfigError):
        push([0], 60, b"x")
    with pytest.raises(EncodeError):
        push([0, 1], RELIABLE, bytes(70_000))
    with pytest.raises(ConfigError, match="send_payload"):
        make_server().push_many([0], RELIABLE, b"x")
    crowd.step()
    assert received(crowd) == {}


# Sending in slices


def test_a_burst_in_slices_reaches_everyone_once() -> None:
    crowd = Crowd(200)
    crowd.step()
    server = crowd.server
    server.push_many(range(200), UNRELIABLE, b"news")
    assert server.next_deadline <= crowd.now
    sizes, seen = [], set()
    crowd.now -= STEP
    while True:
        batch = server.send(crowd.now, limit=30)
        if not len(batch):
            break
        sizes.append(len(batch))
        seen |= {to for _, to in batch}
        assert server.waiting == 200 - sum(sizes)
    assert sizes == [30] * 6 + [20]
    assert len(seen) == 200
    with pytest.raises(ConfigError, match="limit"):
        server.send(crowd.now, limit=-1)


def test_those_left_waiting_keep_their_turn() -> None:
    crowd = Crowd(20)
    crowd.step()
    server = crowd.server
    order = []
    for _ in range(6):  # each is touched again and again while it waits
        server.push_many(range(20), UNRELIABLE, b"x")
        order += [to for _, to in server.send(crowd.now, limit=10)]
    assert len(set(order[:20])) == 20
    assert order[:20] == order[20:40] == order[40:60]


def test_slots_that_wait_may_change_their_owner() -> None:
    crowd = Crowd(20)
    crowd.server.push_many(range(20), UNRELIABLE, b"x")
    crowd.server.send(crowd.now, limit=1)
    for index in range(20):
        crowd.server.disconnect(index)
    crowd.clients.clear()
    crowd.events.clear()
    newcomers = [crowd.add() for _ in range(20)]
    crowd.run(0.4)
    assert all(client.state == 3 for client in newcomers)
    crowd.server.push_many(range(20), UNRELIABLE, b"hello")
    crowd.step()
    assert sum(len(client.messages()) for client in newcomers) == 20
