"""Trained models through Server and connect(), in virtual time."""

import logging
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from virtual_game import Chat, Game, Input, Rock, Ship

import netcode as nc
from netcode.delta.model import Model
from netcode.delta.shape import Shape
from netcode.delta.tables import LEAST, MOST


def model(name: str, seed: int, schema: type[nc.Schema] = Rock) -> Model:
    shape = Shape.of(schema)
    untrained = Model.untrained(shape).probabilities.astype(np.int64)
    noise = np.random.default_rng(seed).integers(-5000, 5000, len(untrained))
    table = np.clip(untrained + noise, LEAST, MOST).astype(np.uint16)
    return Model(shape, table, name=name, adaptive=8 * (seed == 3))


OURS, THEIRS, ADAPTIVE = model("ours", 1), model("theirs", 2), model("ours, adaptive", 3)


@pytest.fixture
def game(tmp_path: Path) -> Iterator[Game]:
    path = tmp_path / "rocks.model"
    path.write_bytes(OURS.to_bytes())
    made = Game(tables={Rock: [path, ADAPTIVE]})
    made.others[Rock].spawn_many(20)
    yield made
    made.server.close()


def grow(game: Game) -> None:
    game.others[Rock].size[:] = (game.others[Rock].size + 1) % 10


@pytest.mark.parametrize("common", [OURS, ADAPTIVE], ids=lambda model: model.name)
def test_the_model_is_agreed_on_and_the_worlds_are_equal(
    game: Game, caplog: pytest.LogCaptureFixture, common: Model
) -> None:
    with caplog.at_level(logging.WARNING, logger="netcode"):
        client = game.connect(tables=[Ship, Rock], models={Rock: [THEIRS, common.to_bytes()]})
    assert not caplog.records
    assert client.models == {Ship: "", Rock: common.name}
    game.run(1.0, client, held=Input(thrust=True), each=lambda: grow(game))
    assert client.tick > 20
    assert client.world_hash(client.tick) == game.server.world_hash(client.tick)
    assert game.server.counters["models_missed"] == 0
    client.close()


@pytest.mark.parametrize("models", [{Rock: [THEIRS]}, {}, None])
def test_without_one_in_common_both_ends_say_so(
    game: Game, caplog: pytest.LogCaptureFixture, models: dict | None
) -> None:
    with caplog.at_level(logging.WARNING, logger="netcode"):
        client = game.connect(tables=[Ship, Rock], models=models)
    lines = [each.getMessage() for each in caplog.records]
    theirs = f"'theirs' ({THEIRS.hash:016x})" if models else "none"
    ours = ", ".join(f"{each.name!r} ({each.hash:016x})" for each in (OURS, ADAPTIVE))
    assert len(lines) == 2  # one of each end
    assert f"table Rock: the client has {theirs}, the server {ours}" in lines[0]
    first = f"'ours' ({OURS.hash:016x})"  # the one that the client should get
    assert f"table Rock: this client has {theirs}, the server {first}" in lines[1]
    assert client.models == {Ship: "", Rock: ""}
    game.run(0.5, client, each=lambda: grow(game))
    assert client.world_hash(client.tick) == game.server.world_hash(client.tick)
    assert game.server.counters["models_missed"] == 1
    client.close()


def test_models_that_cannot_be_are_refused_where_they_are_given(game: Game) -> None:
    with pytest.raises(nc.ConfigError, match="models for Rock, which is not in tables="):
        game.connect(tables=[Ship], models={Rock: [OURS]})
    with pytest.raises(nc.ConfigError, match="the model 'ours' is not for Chat"):
        Game(tables={Chat: [OURS]})
