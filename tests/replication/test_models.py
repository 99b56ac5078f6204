"""Trained models on the wire: read, offered, chosen, and the worlds equal whatever is chosen."""

from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pytest
from oracle.lanes import lane_schema

import netcode as nc
from netcode.delta.model import Model
from netcode.delta.shape import Shape
from netcode.delta.tables import LEAST, MOST
from netcode.replication import FRAME_SECTION, Receiver, Sender, Table
from netcode.replication.contract import Contract, Spoken
from netcode.replication.hello import MAX_MODELS, Hello, ModelName, Welcome, parse_control
from netcode.replication.models import Models, TableModels, shown


class Ship(nc.Schema):
    x: Annotated[float, nc.Quantized(0, 100, step=1 / 16)] = 0.0
    y: Annotated[float, nc.Quantized(0, 100, step=1 / 16)] = 0.0
    hp: Annotated[int, nc.Range(0, 100), nc.Since(2)] = 100


class Rock(nc.Schema):
    size: Annotated[int, nc.Range(0, 9)] = 1


FLAGS = {f"flag{n}": bool for n in range(70)}  # more groups than the coder takes
Wide = type("Wide", (nc.Schema,), {"__annotations__": FLAGS, **dict.fromkeys(FLAGS, False)})


def made(codec: Any, name: str, seed: int = 0) -> Model:
    """A model with probabilities of its own: as good as any for finding out who uses which."""
    shape = Shape.of(codec)
    untrained = Model.untrained(shape).probabilities
    noise = np.random.default_rng(seed).integers(-9000, 9000, len(untrained))
    table = np.clip(untrained.astype(np.int64) + noise, LEAST, MOST).astype(np.uint16)
    return Model(shape, table, name=name)


FIRST = made(Ship, "first", 1)
SECOND = made(Ship, "second", 2)
OLD = made(Ship.codec_for(1), "old", 3)
STONES = made(Rock, "stones", 4)


def contract(*models: Any, schema: type[nc.Schema] = Ship) -> Contract:
    return Contract(None, [schema], [], Models([schema], {schema: list(models)}))


def agree(server: Contract, client: Contract) -> tuple[Hello, Spoken, Welcome, Spoken]:
    """What both ends make of each other, over the bytes of the hello and the welcome."""
    hello = parse_control(client.hello().encode())
    assert isinstance(hello, Hello)
    spoken = server.settle(hello)
    assert spoken is not None
    welcome = parse_control(server.welcome(hello, spoken, 0, 60.0, 1, [16]).encode())
    assert isinstance(welcome, Welcome)
    read = client.read(welcome)
    assert read is not None
    return hello, spoken, welcome, read


def test_a_model_is_read_from_a_path_bytes_or_itself(tmp_path: Path) -> None:
    path = tmp_path / "ship.model"
    path.write_bytes(FIRST.to_bytes())
    for source in (FIRST, FIRST.to_bytes(), path, str(path)):
        table = TableModels(Ship, [source])
        assert table.names == (ModelName(FIRST.hash, "first"),)
        assert table.fitting(2).keys() == {FIRST.hash}
        assert not table.fitting(1)
    both = TableModels(Ship, [OLD.to_bytes(), FIRST, FIRST.to_bytes()])
    assert [each.name for each in both.names] == ["old", "first"]
    assert both.fitting(1).keys() == {OLD.hash}


def test_what_is_no_model_of_the_table_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "rock.model"
    path.write_bytes(STONES.to_bytes())
    with pytest.raises(nc.ConfigError, match=r"rock\.model, for Ship: the model is for"):
        TableModels(Ship, [path])
    with pytest.raises(nc.ConfigError, match="the model 'stones' is not for Ship"):
        TableModels(Ship, [STONES])
    with pytest.raises(nc.ConfigError, match="for Ship: not a model file"):
        TableModels(Ship, [b"rubbish"])
    with pytest.raises(nc.ConfigError, match="no version of it has lanes to predict"):
        TableModels(Wide, [b"rubbish"])
    with pytest.raises(nc.ConfigError, match=f"9 models of Ship; the limit is {MAX_MODELS}"):
        TableModels(Ship, [FIRST] * 9)
    with pytest.raises(nc.ConfigError, match="models of Ship are a list, not one 'ship"):
        TableModels(Ship, "ship.model")
    with pytest.raises(nc.ConfigError, match="models for Rock, which is not in tables="):
        Models([Ship], {Rock: [STONES]})
    with pytest.raises(FileNotFoundError, match="missing"):
        TableModels(Ship, [tmp_path / "missing.model"])


@pytest.mark.parametrize(
    ("server", "client", "chosen"),
    [
        ([FIRST, SECOND], [SECOND, FIRST], FIRST),  # the server's order counts
        ([FIRST, SECOND], [SECOND], SECOND),
        ([FIRST], [SECOND], None),
        ([FIRST], [], None),
        ([], [FIRST], None),
        ([OLD], [OLD], None),  # both have the newest version, and it is not for that
        ([OLD, FIRST], [OLD, FIRST], FIRST),
    ],
)
def test_the_server_picks_one_that_both_have(server: Any, client: Any, chosen: Any) -> None:
    ours, theirs = contract(*server), contract(*(Model.to_bytes(each) for each in client))
    hello, spoken, welcome, read = agree(ours, theirs)
    assert spoken.models == ({} if chosen is None else {Ship: chosen})
    names = [each.hash for each in read.models.values()]
    assert names == ([] if chosen is None else [chosen.hash])
    lines = ours.unmatched(hello, spoken)
    assert bool(lines) == (chosen is None)
    for each in [*server, *client] if lines else []:
        assert f"{each.name!r} ({each.hash:016x})" in lines[0]
    said = theirs.missed(welcome, read)
    assert bool(said) == (chosen is None)
    if said and server == [FIRST]:
        assert f"the server 'first' ({FIRST.hash:016x})" in said[0]


def test_nobody_complains_where_nobody_has_models() -> None:
    ours, theirs = contract(), contract()
    hello, spoken, welcome, read = agree(ours, theirs)
    assert not spoken.models
    assert not ours.unmatched(hello, spoken)
    assert not theirs.missed(welcome, read)


def test_a_welcome_to_a_model_that_was_not_offered_is_none() -> None:
    ours, theirs = contract(FIRST), contract(FIRST)
    _, _, welcome, _ = agree(ours, theirs)
    assert contract(SECOND).read(welcome) is None
    assert contract().read(welcome) is None
    info = welcome.tables[0]._replace(common=False)
    read = contract(SECOND).read(welcome._replace(tables=(info,)))
    assert read is not None
    assert not read.models


def test_names_of_a_peer_are_quoted_and_few() -> None:
    assert shown([]) == "none"
    text = shown([ModelName(n, "\n\x1b[2J" if n == 0 else "m") for n in range(6)])
    assert "\n" not in text
    assert text.endswith("2 more")


@pytest.mark.parametrize("version", [1, 2])
def test_sections_are_coded_with_the_model_of_each_client(version: int) -> None:
    """Three clients of one version: untrained and two models. All see the same world."""
    table = Table(Ship, 40)
    sender = Sender([table])
    codec = Ship.codec_for(version)
    models: list[Model | None] = [None, made(codec, "a", 5), made(codec, "b", 6), None]
    clients = []
    for index, model in enumerate(models):
        sender.add(index, {0: version}, {} if model is None else {0: model})
        clients.append(Receiver([(Ship, 40, version, model)]))
    for _ in range(30):
        table.spawn(Ship(50, 50))
    rng = np.random.default_rng(7)
    seen: list[set[bytes]] = []
    for tick in range(30):
        table.x[:] = (table.x + rng.integers(0, 3, 40)) % 100
        table.hp[:] = (table.hp + 1) % 100
        sender.commit(tick)
        bodies = set()
        for index, client in enumerate(clients):
            sections = []
            for kind, data in sender.frames(index):
                assert client.on_frame(kind, data), client.counters
                if kind == FRAME_SECTION:
                    sections.append(data)
            bodies.add(b"".join(sections))
            assert client.world_hash(tick) == sender.world_hash(tick, index)
            for kind, data in client.frames():
                assert sender.on_frame(index, kind, data)
        seen.append(bodies)
    assert len(seen[0]) == 1  # full state is the same for all, and encoded once
    assert all(len(each) == 3 for each in seen[1:])
    assert sender.counters["groups_shared"] == 3 + 29
    for index in range(len(models)):
        sender.remove(index)


def test_another_model_than_the_senders_does_not_decode() -> None:
    schema = lane_schema([[12], [12], [9]])
    table = Table(schema, 64)
    table.spawn_many(64)
    sender = Sender([table])
    sender.add(0, [0], {0: made(schema, "a", 1)})
    client = Receiver([(schema, 64, None, made(schema, "b", 2))])
    wrong = 0
    rng = np.random.default_rng(1)
    for tick in range(20):
        for column in table.columns.values():
            column[:, 0] = rng.integers(0, 500, 64)
        sender.commit(tick)
        for kind, data in sender.frames(0):
            client.on_frame(kind, data)
        complete = tick in client.complete_ticks
        wrong += not complete or client.world_hash(tick) != sender.world_hash(tick)
        for kind, data in client.frames():
            sender.on_frame(0, kind, data)
    assert wrong >= 18
