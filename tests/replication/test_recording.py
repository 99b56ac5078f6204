"""Recordings: what was sent comes back, and no file harms who reads it."""

import json
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from virtual_game import Game, Input, Rock, Ship

import netcode as nc
from netcode.errors import ConfigError, DecodeError
from netcode.replication import Recorder, Recording, Sender, Table

zstandard = pytest.importorskip("zstandard")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "game.rec"


def written(path, ticks, seed=1):
    """A recording of two tables with spawns and despawns, and what its snapshots were."""
    rng = np.random.default_rng(seed)
    ships, rocks = Table(Ship, 40), Table(Rock, 5)
    rocks.spawn(Rock(size=3))
    sender, kept = Sender((ships, rocks)), []
    with Recorder(path, (ships, rocks), 60) as recorder:
        for tick in range(0, 2 * ticks, 2):
            if rng.random() < 0.5 and len(ships) < 40:
                ships.spawn(Ship(x=float(rng.integers(900))), owner=int(rng.integers(4)))
            if rng.random() < 0.2 and len(ships):
                ships.despawn(int(ships.ids[0]))
            ships.columns["x"][:] = (ships.columns["x"] + 1) % 999
            sender.commit(tick)
            recorder.take(sender, tick)
            history = sender.history(0)
            kept.append((
                tick, history.alive(tick).copy(), history.generation(tick).copy(),
                history.owner(tick).copy(), history.lanes(tick).copy(),
            ))  # fmt: skip
    return kept


def same(track, kept):
    assert track.ticks.tolist() == [row[0] for row in kept]
    for at, (_, alive, generation, owner, lanes) in enumerate(kept):
        assert np.array_equal(track.alive[at], alive)
        assert np.array_equal(track.generation[at], generation)
        assert np.array_equal(track.owner[at], owner)
        assert np.array_equal(track.lanes[at], lanes)


def test_what_was_written_is_read_over_many_chunks(path):
    kept = written(path, 150)
    recording = Recording(path)
    assert [table.name for table in recording.tables] == ["Ship", "Rock"]
    assert recording.tables[0].schema_hash == Ship.schema_hash
    assert recording.tick_rate == 60
    same(recording.read("Ship"), kept)
    assert recording.read(1).lanes.shape == (150, 1, 5)
    assert not recording.truncated
    columns = recording.read("Ship").columns(Ship, 7)
    assert columns["x"].shape == (40,)
    with pytest.raises(ConfigError, match="another schema"):
        recording.read("Ship").columns(Rock, 0)


def test_a_server_records_what_it_sends(path):
    game = Game()
    game.server.record(path)
    client = game.connect()
    game.run(1.5, client, held=Input(thrust=True))
    last = max(game.server.sender.history(0).ticks)
    newest = game.server.sender.history(0).lanes(last).copy()
    game.server.close()
    track = nc.Recording(path).read("Ship")
    assert track.ticks[-1] == last
    assert len(track.ticks) >= 80
    slot = np.flatnonzero(track.alive[-1])
    assert np.array_equal(track.lanes[-1][:, slot], newest[:, slot])
    assert track.columns(Ship, -1)["x"][slot[0]] > 100


def test_misuse_raises(path):
    game = Game()
    game.server.record(path)
    with pytest.raises(ConfigError, match="already"):
        game.server.record(path)
    game.server.close()
    with pytest.raises(FileExistsError):
        Recorder(path, [Table(Rock, 3)], 60)
    with pytest.raises(ConfigError, match="no table 'Shop'"):
        Recording(path).number("Shop")


def test_more_than_max_bytes_is_refused(path):
    written(path, 100)
    with pytest.raises(ConfigError, match="max_bytes"):
        Recording(path).read(max_bytes=10_000)


def test_a_file_that_ends_early_gives_its_whole_chunks(path):
    kept = written(path, 100)
    data = path.read_bytes()
    path.write_bytes(data[:-3])
    recording = Recording(path)
    same(recording.read(), kept[:64])
    assert recording.truncated


def test_a_head_cut_anywhere_is_refused(path):
    written(path, 1)
    data = path.read_bytes()
    size = struct.unpack_from("<I", data, 6)[0] + 10
    for cut in range(0, size, 7):
        path.write_bytes(data[:cut])
        with pytest.raises(DecodeError):
            Recording(path)


def test_a_bomb_is_refused_before_it_grows(path):
    written(path, 1)
    data = path.read_bytes()
    size = struct.unpack_from("<I", data, 6)[0] + 10
    bomb = zstandard.ZstdCompressor().compress(bytes(50 << 20))
    path.write_bytes(data[:size] + struct.pack("<BI", 1, len(bomb)) + bomb)
    with pytest.raises(DecodeError, match="belong"):
        Recording(path).read()


@pytest.mark.parametrize(
    "change",
    [
        {"capacity": 0}, {"capacity": 1 << 20}, {"schema_hash": -1},
        {"lanes": [["x", 1, 0, "int"]]},
        {"lanes": [["x", 1, 0, "int", 1 << 40]]}, {"lanes": [["x", 10**30, 0, "int", 1]]},
        {"lanes": [["x", 3, 0, "int", 8]]}, {"lanes": [["x", 33, 0, "int", 8]]},
        {"lanes": [["x", 3, -1, "int", 7]]}, {"lanes": [["x", 3, 10**30, "int", 7]]},
        {"lanes": [["x", 3, 1, "int", 7], ["y", 3, 0, "int", 7]]}, {"name": None, "lanes": 5},
    ],
)  # fmt: skip
def test_heads_that_no_recorder_writes_are_refused(path, change):
    written(path, 1)
    data = path.read_bytes()
    size = struct.unpack_from("<I", data, 6)[0]
    said = json.loads(data[10 : 10 + size])
    said["tables"][0].update(change)
    head = json.dumps(said).encode()
    path.write_bytes(data[:6] + struct.pack("<I", len(head)) + head + data[10 + size :])
    with pytest.raises(DecodeError):
        Recording(path)


@given(st.lists(st.tuples(st.integers(0, 1 << 30), st.integers(0, 7)), min_size=1, max_size=4))
@settings(max_examples=40, deadline=None)
def test_damaged_files_give_errors_or_codes_in_range(tmp_path_factory, flips):
    path = tmp_path_factory.mktemp("r") / "game.rec"
    written(path, 70)
    data = bytearray(path.read_bytes())
    for at, bit in flips:
        data[at % len(data)] ^= 1 << bit
    path.write_bytes(data)
    try:
        track = Recording(path).read(0)
    except (DecodeError, ConfigError):
        return
    tops = np.array([lane[4] for lane in track.table.lanes], np.uint32)[:, None]
    assert np.all((track.lanes.view(np.uint32) <= tops) | ~track.alive[:, None, :])
