"""One command that shows the arena working: a server process and 16 bots on real UDP.

    python examples/arena/demo.py --seconds 10 --loss 0.05 --latency 0.05

It ends with a table, and with exit status 1 when anything is wrong. Every bot compares each
complete snapshot it decoded with the server's own quantised world, by hash.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import netcode as nc
from bot import Pilot
from netcode.testing import Link
from shared import MAX_SHIPS, MESSAGES, PROTOCOL_ID, TABLES, TICK_RATE, Input, step

SERVER: Final = Path(__file__).with_name("server.py")
START_SECONDS: Final = 10.0
STOP_SECONDS: Final = 10.0


@dataclass
class Bot:
    """One bot and what it saw."""

    index: int
    hashes: dict[int, int] = field(default_factory=dict)
    rtt: list[float] = field(default_factory=list)
    packets_sent: int = 0
    packets_lost: int = 0
    bytes_received: int = 0
    seconds: float = 0.0
    state: str = "connecting"
    failure: str = ""

    async def play(self, address: str, options: argparse.Namespace, end: asyncio.Event) -> None:
        """Connect, fly until ``end``, and note what the line was like."""
        pilot = Pilot(options.seed * 1000 + self.index)
        try:
            async with nc.asyncio.connect(
                address,
                input=Input,
                tables=TABLES,
                messages=MESSAGES,
                predict=step,
                protocol_id=PROTOCOL_ID,
                timeout=START_SECONDS,
                link=bad_line(options, self.index),
            ) as client:
                self.state = "playing"
                started = time.monotonic()
                already = client.stats.bytes_received
                async for _ in client:
                    if end.is_set():
                        break
                    client.update(pilot.decide(client))
                    for tick in client.complete_ticks():
                        self.hashes[tick] = client.world_hash(tick) or 0
                    self.rtt.append(client.stats.rtt)
                else:
                    self.failure = f"disconnected: {client.reason}"
                stats = client.stats
                self.seconds = time.monotonic() - started
                self.bytes_received = stats.bytes_received - already
                if stats.transport is not None:
                    self.packets_sent = stats.transport.packets_sent
                    self.packets_lost = stats.transport.packets_lost
        except (nc.NetcodeError, OSError) as error:
            self.failure = f"{type(error).__name__}: {error}"
        self.state = "done"


def bad_line(options: argparse.Namespace, index: int) -> tuple[Link, Link] | None:
    """The asked loss and latency, each way, seeded for this bot."""
    if not options.loss and not options.latency:
        return None
    seed = options.seed * 1000 + index * 2
    conditions = {"loss": options.loss, "latency": options.latency}
    return Link(seed, **conditions), Link(seed + 1, **conditions)


@contextmanager
def running_server(options: argparse.Namespace, report: Path) -> Iterator[str]:
    """Start the server in its own process; yields the address it listens on."""
    limit = options.seconds + START_SECONDS + STOP_SECONDS
    command = [sys.executable, str(SERVER), "--listen", "127.0.0.1:0"]
    command += ["--seed", str(options.seed), "--seconds", str(limit), "--report", str(report)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        line = process.stdout.readline().split()
        if line[:2] != ["listening", "on"]:
            raise RuntimeError("the server did not start; its error is above")
        yield line[2]
        process.terminate()
        process.wait(STOP_SECONDS)
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


async def fly(address: str, options: argparse.Namespace) -> list[Bot]:
    """Run every bot for the asked time, with a line of progress."""
    end = asyncio.Event()
    bots = [Bot(index) for index in range(options.bots)]
    tasks = [asyncio.create_task(bot.play(address, options, end)) for bot in bots]
    started = time.monotonic()
    while any(bot.state == "connecting" for bot in bots):
        await asyncio.sleep(0.01)
        if time.monotonic() - started > START_SECONDS:
            break
    bar = Progress(options.seconds)
    started = time.monotonic()
    while (elapsed := time.monotonic() - started) < options.seconds:
        bar.show(elapsed, bots)
        if all(task.done() for task in tasks):
            break
        await asyncio.sleep(min(bar.pause, options.seconds - elapsed))
    bar.show(min(elapsed, options.seconds), bots, last=True)
    end.set()
    await asyncio.gather(*tasks)
    return bots


class Progress:
    """A bar on a terminal; elsewhere a line a second."""

    def __init__(self, total: float) -> None:
        self.total = total
        self.bar = sys.stderr.isatty()
        self.pause = 0.25 if self.bar else 1.0

    def show(self, elapsed: float, bots: list[Bot], *, last: bool = False) -> None:
        """Say how far it is."""
        playing = sum(bot.state == "playing" for bot in bots)
        decoded = sum(len(bot.hashes) for bot in bots)
        text = f"{elapsed:5.1f}/{self.total:.1f} s  {playing:2d} bots  {decoded:,} snapshots"
        if self.bar:
            done = int(30 * min(1.0, elapsed / self.total))
            text = f"\r[{'#' * done}{'.' * (30 - done)}] {text}"
        print(text, end="\n" if last or not self.bar else "", file=sys.stderr, flush=True)


def summarise(bots: list[Bot], server: dict[str, Any]) -> dict[str, Any]:
    """Compare the hashes, and gather the numbers of the table."""
    expected = {int(tick): int(digest, 16) for tick, digest in server["hashes"].items()}
    failures = [f"bot {bot.index}: {bot.failure}" for bot in bots if bot.failure]
    compared = mismatches = 0
    for bot in bots:
        known = bot.hashes.keys() & expected.keys()
        compared += len(known)
        mismatches += sum(bot.hashes[tick] != expected[tick] for tick in known)
        if not known and not bot.failure:
            failures.append(f"bot {bot.index}: no snapshot to compare")
    if mismatches:
        failures.append(f"{mismatches} snapshots differ from the server's world")
    seconds = sum(bot.seconds for bot in bots)
    rtts = [rtt for bot in bots for rtt in bot.rtt if rtt > 0]
    return {
        "bots": len(bots),
        "failures": failures,
        "snapshots_compared": compared,
        "mismatches": mismatches,
        "tick_p50_ms": server["tick_p50_ms"],
        "tick_p99_ms": server["tick_p99_ms"],
        "ticks": server["ticks"],
        "overruns": server["overruns"],
        "rtt_ms": statistics.median(rtts) * 1000 if rtts else 0.0,
        "packets_sent": sum(bot.packets_sent for bot in bots),
        "packets_lost": sum(bot.packets_lost for bot in bots),
        "bytes_per_client_per_second": sum(bot.bytes_received for bot in bots) / max(seconds, 1e-9),
        "full_world_bytes_per_client_per_second": {
            name: None if size is None else size * TICK_RATE
            for name, size in server["snapshot_bytes"].items()
        },
    }


def show(summary: dict[str, Any]) -> None:
    """Print the table."""
    ours = summary["bytes_per_client_per_second"]
    share = summary["packets_lost"] / max(1, summary["packets_sent"])
    tick = f"{summary['tick_p50_ms']:.2f} / {summary['tick_p99_ms']:.2f} ms"
    rows = [
        ("server tick, p50 / p99", tick),
        ("ticks dropped", f"{summary['overruns']} of {summary['ticks']}"),
        ("round trip, median", f"{summary['rtt_ms']:.1f} ms"),
        ("packets lost", f"{summary['packets_lost']} of {summary['packets_sent']} ({share:.1%})"),
        ("snapshots compared", f"{summary['snapshots_compared']:,}"),
        ("state mismatches", f"{summary['mismatches']}"),
        ("bytes per client per second", f"{ours:,.0f}"),
    ]
    for name, size in summary["full_world_bytes_per_client_per_second"].items():
        label = f"  the same world as {name}"
        missing = "not measured (pip install msgpack)" if name == "msgpack" else "not measured"
        rows.append(
            (label, missing if size is None else f"{size:,.0f}  ({size / max(ours, 1):.1f} x)")
        )
    width = max(len(name) for name, _ in rows)
    print(f"\narena: {summary['bots']} bots at {TICK_RATE} Hz on UDP, encrypted")
    for name, value in rows:
        print(f"  {name:<{width}}  {value}")
    for failure in summary["failures"]:
        print(f"  FAILED: {failure}")


def parse() -> argparse.Namespace:
    """The command line, checked."""
    parser = argparse.ArgumentParser(description="The arena with bots, measured.")
    parser.add_argument("--seconds", type=float, default=10.0, help="how long the bots play")
    parser.add_argument("--bots", type=int, default=16, help=f"1 to {MAX_SHIPS}")
    parser.add_argument("--loss", type=float, default=0.0, help="share lost each way, 0 to 0.9")
    parser.add_argument("--latency", type=float, default=0.0, help="seconds each way")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers here as well")
    options = parser.parse_args()
    if not 1 <= options.bots <= MAX_SHIPS:
        parser.error(f"--bots {options.bots} is outside 1 to {MAX_SHIPS}")
    if not 0 <= options.loss <= 0.9:
        parser.error(f"--loss {options.loss} is outside 0 to 0.9")
    if not 0 < options.seconds <= 3600 or not 0 <= options.latency <= 2:
        parser.error("--seconds must be above 0 and at most 3600, --latency 0 to 2")
    return options


def main() -> int:
    """Run the demo; 0 when every bot played and every compared snapshot was equal."""
    options = parse()
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        with running_server(options, report) as address:
            bots = asyncio.run(fly(address, options))
        if not report.exists():
            print("FAILED: the server ended without a report", file=sys.stderr)
            return 1
        summary = summarise(bots, json.loads(report.read_text()))
    show(summary)
    if options.json is not None:
        options.json.write_text(json.dumps(summary, indent=2) + "\n")
    return 1 if summary["failures"] else 0


if __name__ == "__main__":
    raise SystemExit(main())
