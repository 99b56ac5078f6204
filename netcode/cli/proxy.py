"""``proxy``: a bad network between any UDP clients and their server."""

from __future__ import annotations

import math
import selectors
import sys
import time
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from netcode.cli.meter import Meter
from netcode.cli.output import OK, USAGE, CommandError, show, tell
from netcode.errors import ConfigError, ConnectError
from netcode.io import (
    HostPort,
    Transport,
    UdpSocket,
    buffers_for,
    is_loopback,
    resolve,
    split_address,
)
from netcode.testing import PRESETS, Conditions, ProxyCore, Relay, Scenario
from netcode.testing.units import FIELDS, quantity

__all__ = ["Overrides", "Turns", "add_proxy_command", "proxy_command", "scenario_of"]

LONGEST: Final = 65_507
"""Bytes of the longest UDP datagram: a proxy passes on whatever a game sends."""
SILENCE: Final = 5.0
"""Seconds after which a server that answers nothing is worth a word."""
LIVE, QUIET = 0.5, 5.0
"""Seconds between statistics on a terminal, and elsewhere."""

Overrides = dict[str, float]

HELP: Final = {
    "loss": "share that gets lost: 0.02 or 2%%",
    "latency": "one way: 0.05 or 50ms",
    "jitter": "extra delay of up to this, at random",
    "duplicate": "share that arrives twice",
    "reorder": "share that is overtaken by others",
    "reorder_delay": "by how much, at the most",
    "burst_enter": "chance at each datagram that a burst of loss begins",
    "burst_exit": "and that it ends: 0.25 for bursts of 4 on average",
    "burst_loss": "share that gets lost in a burst",
    "rate": "of the bottleneck: 5Mbit, or bytes per second; inf for none",
    "overhead": "bytes of headers that each datagram takes of the rate",
    "queue": "bytes that wait at the bottleneck: 64KiB",
    "queue_time": "the same in seconds: 200ms",
    "mtu": "bytes of the largest datagram that passes: 1200; inf for any",
}


def add_proxy_command(commands: Any) -> None:
    """``proxy`` beside the other commands."""
    listed = "\n".join(f"  {name:<15}{each.about}" for name, each in PRESETS.items())
    parser: ArgumentParser = commands.add_parser(
        "proxy",
        help="a bad network between UDP clients and a server",
        description="Pass UDP between clients and a server through a simulated bad network, with "
        "live statistics.\nIt works with any game: let the clients connect to LISTEN. "
        "Ctrl-C ends.",
        epilog=f"presets:\n{listed}\n\nexample:\n  python -m netcode proxy 127.0.0.1:40001 "
        "127.0.0.1:40000 --preset 4g --loss 2% --seed 7",
        formatter_class=RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("listen", metavar="LISTEN", help="HOST:PORT for the clients")
    parser.add_argument("target", metavar="TARGET", help="HOST:PORT of the server")
    group = parser.add_argument_group("the line")
    which = group.add_mutually_exclusive_group()
    which.add_argument("--preset", metavar="NAME", help=", ".join(PRESETS))
    which.add_argument(
        "--scenario", type=Path, metavar="FILE", help="a JSON file: conditions, and their changes"
    )
    group.add_argument(
        "--seed", default="0", metavar="SEED", help="the same one, the same fates (default: 0)"
    )
    group.add_argument(
        "--shared", action="store_true", help="one line for all clients, not one for each"
    )
    single = parser.add_argument_group(
        "single conditions, instead of the preset's",
        "one value for both directions, or UP/DOWN: --rate 1Mbit/20Mbit",
    )
    for field in FIELDS:
        option = "--" + field.replace("_", "-")
        single.add_argument(option, metavar="VALUE", help=HELP[field])
    rest = parser.add_argument_group("the rest")
    rest.add_argument(
        "--max-clients", type=int, default=64, metavar="N", help="at a time (default: %(default)s)"
    )
    rest.add_argument(
        "--idle",
        type=float,
        default=60.0,
        metavar="SECONDS",
        help="of silence after which a client is forgotten (default: %(default)g)",
    )
    rest.add_argument(
        "--every",
        type=float,
        metavar="SECONDS",
        help=f"between statistics (default: {LIVE:g} on a terminal, {QUIET:g} elsewhere)",
    )
    rest.add_argument(
        "--duration", type=float, default=math.inf, metavar="SECONDS", help="end by itself"
    )
    rest.add_argument("--json", action="store_true", help="statistics as a JSON object a line")
    parser.set_defaults(run=proxy_command)


def overrides_of(options: Namespace) -> tuple[Overrides, Overrides]:
    """The single conditions of the command line: (up, down)."""
    ways: tuple[Overrides, Overrides] = ({}, {})
    for field in FIELDS:
        text: str | None = getattr(options, field)
        if text is None:
            continue
        parts = text.split("/")
        option = "--" + field.replace("_", "-")
        if len(parts) > 2:
            raise CommandError(f"{option}: {text!r} is more than UP/DOWN", USAGE)
        for way, part in zip(ways, parts * (3 - len(parts)), strict=True):
            try:
                way[field] = quantity(field, part)
                Conditions(**{field: way[field]})
            except ConfigError as error:
                raise CommandError(f"{option}: {error}", USAGE) from None
    return ways


def scenario_of(options: Namespace) -> Scenario:
    """The line that the command line asks for; CommandError says what is wrong."""
    up, down = overrides_of(options)
    if options.scenario is not None:
        try:
            base = Scenario.load(options.scenario)
        except ConfigError as error:
            raise CommandError(str(error)) from None
    elif options.preset is not None:
        if options.preset not in PRESETS:
            raise CommandError(
                f"--preset: no {options.preset!r}; there are {', '.join(PRESETS)}", USAGE
            )
        base = PRESETS[options.preset]
    else:
        base = Scenario.of(Conditions(), name="clean" if not up and not down else "own")
    return base.changed(up=up, down=down)


def addresses_of(options: Namespace) -> tuple[HostPort, HostPort]:
    """Where to listen, and the server."""
    found: list[HostPort] = []
    for name in ("listen", "target"):
        text: str = getattr(options, name)
        try:
            host, port = split_address(text)
            # "localhost" is two addresses, and UDP does not tell which of them somebody is at.
            known = resolve(f"127.0.0.1:{port}" if host.lower() == "localhost" else text)
        except ConfigError as error:
            raise CommandError(f"{name.upper()}: {error}", USAGE) from None
        except ConnectError as error:
            raise CommandError(f"{name.upper()}: {error}") from None
        found.append(known[0])
    listen, target = found
    if target[0] == "" or target[1] == 0:
        raise CommandError("TARGET: name the host and the port of the server", USAGE)
    if listen == target:
        raise CommandError("LISTEN and TARGET are the same; the clients need another port", USAGE)
    return listen, target


def positive(options: Namespace, *names: str) -> None:
    for name in names:
        value = getattr(options, name)
        if value is not None and not value > 0:
            raise CommandError(f"--{name}: {value:g}, must be above 0", USAGE)


class Turns:
    """The shell: opens the sockets, and sleeps until something arrives or is due."""

    def __init__(self, core: ProxyCore, listen: HostPort, target: HostPort) -> None:
        self.selector = selectors.DefaultSelector()
        # The wildcard address of the server's family: who binds loopback reaches nobody else.
        self.here: HostPort = ("::" if ":" in target[0] else "0.0.0.0", 0)
        self.clock: Callable[[], float] = time.monotonic
        listening = UdpSocket(listen, longest=LONGEST)
        self.selector.register(listening.fileno(), selectors.EVENT_READ)
        self.relay = Relay(
            core, listening, target, bind=self.bind, clock=self.clock, closing=self.closing
        )

    def bind(self) -> Transport:
        receive, send = buffers_for(1)
        made = UdpSocket(self.here, receive_buffer=receive, send_buffer=send, longest=LONGEST)
        self.selector.register(made.fileno(), selectors.EVENT_READ)
        return made

    def closing(self, transport: Transport) -> None:
        self.selector.unregister(transport.fileno())

    def turn(self, until: float) -> None:
        """Pass on what there is, then sleep; until ``until`` at the longest."""
        self.relay.step()
        due = min(self.relay.next_deadline, until)
        self.selector.select(max(0.0, min(due - self.clock(), 3600.0)))

    def close(self) -> None:
        """Give the addresses back."""
        self.relay.close()
        self.selector.close()


def proxy_command(options: Namespace) -> int:
    """``proxy``"""
    scenario = scenario_of(options)
    listen, target = addresses_of(options)
    positive(options, "every", "duration", "idle")
    try:
        core = ProxyCore(
            scenario,
            seed=options.seed,
            max_clients=options.max_clients,
            idle=options.idle,
            shared=options.shared,
            start=time.monotonic(),
        )
    except ConfigError as error:
        raise CommandError(f"--{str(error).replace('_', '-')}", USAGE) from None
    try:
        turns = Turns(core, listen, target)
    except ConfigError as error:
        raise CommandError(f"{error}; choose another LISTEN, or end what has it") from None
    bound = named(turns.relay.listening.address)
    tell(f"{bound} to {named(target)}, {scenario.name or 'own'}, seed {options.seed}; Ctrl-C ends")
    if not is_loopback(turns.relay.listening.address[0]):
        tell("whoever reaches this address reaches the server through it", kind="warning")
    every = options.every or (LIVE if sys.stdout.isatty() and not options.json else QUIET)
    began = turns.clock()
    meter = Meter(sys.stdout, core.stats(began), began, as_json=options.json)
    try:
        run(turns, meter, every, began + options.duration)
    except KeyboardInterrupt:
        pass
    finally:
        now = turns.clock()
        meter.end()
        turns.close()
    if not options.json:
        show(meter.summary(core.stats(now), now), as_json=False)
    return OK


def run(turns: Turns, meter: Meter, every: float, end: float) -> None:
    core = turns.relay.core
    began = now = turns.clock()
    report, silent = began + every, True
    while now < end:
        turns.turn(min(report, end))
        now = turns.clock()
        if now >= report:
            stats = core.stats(now)
            meter.write(stats, now)
            report = now + every
            if silent and stats.up.delivered and now - began >= SILENCE:
                silent = False
                if not stats.down.pushed:
                    meter.end()
                    tell(
                        f"nothing comes back from {named(turns.relay.target)}: is the server "
                        "there? A netcode server also needs to know LISTEN as a public address",
                        kind="warning",
                    )


def named(address: HostPort) -> str:
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host or '*'}:{port}"
