"""proxy: its options, its statistics, and datagrams over loopback."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from argparse import Namespace
from pathlib import Path

import pytest

from netcode.cli.main import main, parser
from netcode.cli.meter import Meter, size_text, way_rate
from netcode.cli.proxy import Turns, scenario_of
from netcode.testing import PRESETS, Conditions, ProxyCore, Scenario, WayStats

BASE = ["proxy", "127.0.0.1:40001", "127.0.0.1:40000"]


def options(*more: str) -> Namespace:
    return parser().parse_args([*BASE, *more])


def test_a_preset_and_what_is_said_instead() -> None:
    assert scenario_of(options("--preset", "train")) == PRESETS["train"]
    assert scenario_of(options()).up.at(0) == Conditions()
    found = scenario_of(
        options("--preset", "4g", "--loss", "2%", "--rate", "1Mbit/inf", "--queue-time", "0.1/50ms")
    )
    up, down = found.up.at(0), found.down.at(0)
    assert (up.loss, up.rate, up.queue_time) == (0.02, 125_000, 0.1)
    assert (down.loss, down.rate, down.queue_time) == (0.02, float("inf"), 0.05)
    assert up.latency == PRESETS["4g"].up.at(0).latency


def test_a_scenario_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.json"
    path.write_text(json.dumps({"both": {"latency": "80ms"}, "steps": [{"at": 5}]}))
    found = scenario_of(options("--scenario", str(path), "--latency", "10ms/20ms"))
    assert found.name == "mine"
    assert [found.up.at(9).latency, found.down.at(9).latency] == [0.01, 0.02]


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (["--preset", "5g"], 2, "no '5g'; there are wifi, 4g, transatlantic, train"),
        (["--preset", "4g", "--scenario", "x.json"], 2, "not allowed with"),
        (["--scenario", "absent.json"], 1, "cannot read the scenario"),
        (["--loss", "1/2/3"], 2, "--loss: '1/2/3' is more than UP/DOWN"),
        (["--loss", "120%"], 2, "--loss: Conditions.loss: 1.2 is not a probability"),
        (["--rate", "5Mb"], 2, "--rate: rate: '5Mb' is not a number"),
        (["--queue-time", "x"], 2, "--queue-time: "),
        (["--every", "0"], 2, "--every: 0, must be above 0"),
        (["--idle", "-1"], 2, "--idle: -1, must be above 0"),
        (["--duration", "nan"], 2, "--duration: nan"),
        (["--max-clients", "0"], 2, "--max-clients: 0, must be 1 to 65535"),
    ],
)
def test_wrong_options_say_what_to_do(
    arguments: list[str], code: int, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*BASE, *arguments]) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert text in err


@pytest.mark.parametrize(
    ("listen", "target", "text"),
    [
        ("nowhere", "127.0.0.1:1", "LISTEN: address 'nowhere' has no port"),
        ("127.0.0.1:1", "::1:5", "TARGET: address '::1:5': write an IPv6 address in brackets"),
        ("127.0.0.1:1", ":5", "TARGET: name the host and the port"),
        ("127.0.0.1:1", "127.0.0.1:0", "TARGET: name the host and the port"),
        ("127.0.0.1:1", "localhost:1", "LISTEN and TARGET are the same"),
    ],
)
def test_wrong_addresses(
    listen: str, target: str, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["proxy", listen, target]) == 2
    assert text in capsys.readouterr().err


def test_the_help_lists_presets(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["proxy", "--help"]) == 0
    out = capsys.readouterr().out
    assert all(f"  {name} " in out for name in PRESETS)
    assert "--burst-enter VALUE" in out


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_rates_are_those_of_the_interval() -> None:
    before = WayStats(pushed=100, pushed_bytes=9000, lost=10, delay=5.0)
    after = WayStats(
        pushed=300, pushed_bytes=29_000, lost=20, queue_dropped=10, delay=14.0, waiting=0.2
    )
    rate = way_rate(before, after, 2.0)
    assert (rate.rate, rate.datagrams, rate.loss, rate.queue) == (10_000, 100, 0.1, 0.2)
    assert rate.delay == pytest.approx(0.05)
    text = str(rate)
    assert re.sub(" +", " ", text).strip() == (
        "10.0 kB/s 100/s loss 10.0% delay 50 ms queue 200 ms"
    )
    nothing = way_rate(after, after, 1.0)
    assert (nothing.loss, nothing.delay) == (0.0, None)
    assert "delay       -" in str(nothing)


def test_one_line_on_a_terminal_and_lines_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    core = ProxyCore(Scenario.of(Conditions(latency=0.1)))
    readings = [(core.stats(0.0), 0.0)]
    for now in (1.0, 2.0):
        core.from_client(bytes(1000), "a", now)
        readings.append((core.stats(now), now))
    for stream in (Terminal(), io.StringIO()):
        meter = Meter(stream, *readings[0])
        for stats, now in readings[1:]:
            meter.write(stats, now)
        meter.write(readings[-1][0], 2.0)  # no time has passed
        meter.end()
        meter.end()
        text = stream.getvalue()
        if stream.isatty():
            start, *lines = text.split("\r\033[K")
            assert start == ""
            assert lines == [
                "1 s, 1 cl, up 1.0 kB/s -0.0% 100 ms, down 0 B/s -0.0% -",
                "2 s, 1 cl, up 1.0 kB/s -0.0% 100 ms, down 0 B/s -0.0% -\n",
            ]
        else:
            lines = [re.sub(" +", " ", line) for line in text.splitlines()]
            assert lines == [
                f" {n} s 1 clients up 1.0 kB/s 1/s loss 0.0% delay 100 ms queue 0 ms "
                "down 0 B/s 0/s loss 0.0% delay - queue 0 ms"
                for n in (1, 2)
            ]
    stream = io.StringIO()
    meter = Meter(stream, *readings[0], as_json=True)
    meter.write(*readings[2])
    found = json.loads(stream.getvalue())
    assert found["up"] == pytest.approx(
        {"rate": 1000, "datagrams": 1, "loss": 0, "delay": 0.1, "queue": 0}
    )
    assert (found["elapsed"], found["clients"], found["down"]["delay"]) == (2.0, 1, None)
    summary = meter.summary(core.stats(9.0), 9.0)
    assert summary["up"] == (
        "2 datagrams, 2.0 kB; 0 lost, 0 dropped by a full queue (0.0%), 100.0 ms on average"
    )
    assert summary["down"] == "0 datagrams, 0 B; 0 lost, 0 dropped by a full queue (0.0%)"


def test_sizes() -> None:
    found = [size_text(size) for size in (0, 999, 1000, 999_900, 999_999, 12e6)]
    assert found == ["0 B", "999 B", "1.0 kB", "999.9 kB", "1.0 MB", "12.0 MB"]


@pytest.mark.udp
@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_datagrams_of_any_size_over_loopback(host: str) -> None:
    """Two clients and a server that echoes, all in this loop; latency in real time."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        sockets = [socket.socket(family, socket.SOCK_DGRAM) for _ in range(3)]
        for each in sockets:
            each.bind((host, 0))
            each.setblocking(False)
    except OSError:
        pytest.skip(f"no {host} here")
    server, *clients = sockets
    target = server.getsockname()[:2]
    core = ProxyCore(Scenario.of(Conditions(latency=0.02), Conditions(latency=0.03)))
    turns = Turns(core, (host, 0), target)
    try:
        door = turns.relay.listening.address
        began = turns.clock()
        sent = [bytes([number]) * size for number, size in enumerate((1, 8000))]
        for client, data in zip(clients, sent, strict=True):
            client.sendto(data, door)
        got: list[bytes] = []
        sources = set()
        while len(got) < 2 and turns.clock() < began + 5:
            turns.turn(turns.clock() + 0.005)
            try:
                data, source = server.recvfrom(65_535)
                server.sendto(data, source)
                sources.add(source)
            except BlockingIOError:
                pass
            for client in clients:
                try:
                    data, source = client.recvfrom(65_535)
                    assert source[:2] == door
                    got.append(data)
                except BlockingIOError:
                    pass
        assert sorted(got) == sent
        assert len(sources) == 2
        assert turns.clock() - began >= 0.05
    finally:
        turns.close()
        for each in sockets:
            each.close()


@pytest.mark.udp
@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_the_command_ends_cleanly_with_ctrl_c() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        port = server.getsockname()[1]
        command = [sys.executable, "-m", "netcode", "proxy", "127.0.0.1:0", f"127.0.0.1:{port}"]
        running = subprocess.Popen(
            [*command, "--preset", "wifi", "--seed", "7", "--every", "0.1"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            assert running.stderr is not None
            assert running.stdout is not None
            first = running.stderr.readline()
            found = re.match(rf"127\.0\.0\.1:(\d+) to 127\.0\.0\.1:{port}, wifi, seed 7;", first)
            assert found, first
            server.settimeout(5)
            end = time.monotonic() + 5
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
                client.sendto(b"hello", ("127.0.0.1", int(found[1])))
                client.sendto(b"hello", ("127.0.0.1", int(found[1])))
                assert server.recv(100) == b"hello"
                line = running.stdout.readline()
                while "1 clients" not in line and time.monotonic() < end:
                    line = running.stdout.readline()
            running.send_signal(signal.SIGINT)
            out, err = running.communicate(timeout=5)
        finally:
            running.kill()
            running.wait()
    assert running.returncode == 0
    assert err == ""
    assert "up       2 datagrams, 10 B; " in out


@pytest.mark.udp
def test_a_taken_address_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        assert main(["proxy", f"127.0.0.1:{port}", "127.0.0.1:9"]) == 1
    err = capsys.readouterr().err
    assert "cannot bind UDP 127.0.0.1" in err
    assert "choose another LISTEN" in err


@pytest.mark.udp
def test_a_server_that_is_silent_is_worth_a_word(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("netcode.cli.proxy.SILENCE", 0.05)
    monkeypatch.setattr("netcode.cli.proxy.Turns", Knocking)
    arguments = ["0.0.0.0:0", "127.0.0.1:9", "--every", "0.02", "--duration", "0.2", "--json"]
    assert main(["proxy", *arguments]) == 0
    out, err = capsys.readouterr()
    assert "warning: whoever reaches this address" in err
    assert err.count("nothing comes back from 127.0.0.1:9: is the server there?") == 1
    assert json.loads(out.splitlines()[-1])["clients"] == 1


class Knocking(Turns):
    """With a client that asks and gets no answer."""

    def turn(self, until: float) -> None:
        self.relay.core.from_client(b"?", ("127.0.0.1", 1), self.clock())
        self.relay.transports.setdefault(("127.0.0.1", 1), self.bind_once())
        super().turn(min(until, self.clock() + 0.01))

    def bind_once(self):
        if not hasattr(self, "once"):
            self.once = self.bind()
        return self.once
