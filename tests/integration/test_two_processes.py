"""The README's promise: a server and a client in two processes, with no key."""

import subprocess
import sys
import textwrap
import time

import pytest
from virtual_game import Input, Ship

import netcode as nc

pytestmark = pytest.mark.udp

SERVER = textwrap.dedent(
    """
    import sys
    sys.path[:0] = {path!r}
    import netcode as nc
    from virtual_game import Input, Ship, step

    server = nc.Server({address!r}, input=Input)
    ships = server.table(Ship, capacity=8)
    print(server.address, flush=True)
    for tick in server:
        for event in tick.events:
            match event:
                case nc.Joined(player):
                    player.entity = ships.spawn(Ship(x=10.0), owner=player)
                case nc.Left(player):
                    ships.despawn(player.entity)
                    server.stop()
        for player in server.players:
            step(ships[player.entity], player.input, tick.dt)
        if tick.number > 600:
            break
    """
)


def start(code: str) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)


@pytest.mark.parametrize("bind", ["127.0.0.1:0", "[::1]:0", "localhost:0"])
def test_two_processes_without_a_key(bind: str) -> None:
    code = SERVER.format(path=sys.path, address=bind)
    with start(code) as server:
        assert server.stdout is not None
        address = server.stdout.readline().strip()
        port = address.rpartition(":")[2]
        with nc.connect(f"localhost:{port}", input=Input, tables=[Ship]) as client:
            end = time.monotonic() + 3
            while time.monotonic() < end:
                client.update(Input(thrust=True))
                if any(entity.state.x > 20 for entity in client.view(Ship)):
                    break
                time.sleep(1 / 60)
            (entity,) = client.view(Ship)
            assert entity.mine
            assert entity.state.x > 20
        assert server.wait(5) == 0


def test_with_a_key_a_server_on_every_interface_takes_clients_that_hold_it() -> None:
    key = nc.generate_key()
    code = SERVER.format(path=sys.path, address=":0")
    code = code.replace("input=Input", f"input=Input, key={key!r}")
    with start(code) as server:
        assert server.stdout is not None
        port = server.stdout.readline().strip().rpartition(":")[2]
        with nc.connect(f"127.0.0.1:{port}", input=Input, tables=[Ship], key=key) as client:
            client.update(Input())
            with nc.connect(f"localhost:{port}", input=Input, tables=[Ship], key=key) as other:
                other.update(Input())
                assert other.index != client.index
                with pytest.raises(nc.ConnectTimeout):
                    nc.connect(f"127.0.0.1:{port}", input=Input, tables=[Ship], timeout=0.5)
        assert server.wait(5) == 0
