"""Live statistics of a proxy: one line that renews itself on a terminal, else lines or JSON."""

from __future__ import annotations

import json
import math
import shutil
from dataclasses import asdict, dataclass
from typing import TextIO

from netcode.testing import ProxyStats, WayStats

__all__ = ["Meter", "WayRate", "way_rate"]

RENEW = "\r\033[K"


@dataclass(frozen=True, slots=True)
class WayRate:
    """One direction over an interval.

    Attributes:
        rate: bytes per second that came in to be passed on.
        datagrams: per second, as well.
        loss: share of them that was lost or dropped, 0 to 1; 0 when there were none.
        delay: mean seconds from coming in to going out, of those that were not; None without.
        queue: seconds that a datagram would wait at the bottleneck at the end of the interval.
    """

    rate: float
    datagrams: float
    loss: float
    delay: float | None
    queue: float

    def __str__(self) -> str:
        delay = "-" if self.delay is None else f"{self.delay * 1e3:.0f} ms"
        return (
            f"{size_text(self.rate):>9}/s {self.datagrams:>5.0f}/s  loss {self.loss * 100:>4.1f}%  "
            f"delay {delay:>7}  queue {self.queue * 1e3:>4.0f} ms"
        )

    def short(self) -> str:
        """For a terminal of 80 columns: bytes per second, loss, delay, queue."""
        delay = "-" if self.delay is None else f"{self.delay * 1e3:.0f} ms"
        queue = f"+{self.queue * 1e3:.0f} ms" if self.queue else ""
        return f"{size_text(self.rate)}/s -{self.loss * 100:.1f}% {delay}{queue}"


def way_rate(before: WayStats, after: WayStats, seconds: float) -> WayRate:
    """What happened between two readings ``seconds`` apart."""
    pushed = after.pushed - before.pushed
    gone = sum(
        getattr(after, name) - getattr(before, name)
        for name in ("lost", "too_large", "queue_dropped", "overflowed")
    )
    passed = pushed - gone
    return WayRate(
        (after.pushed_bytes - before.pushed_bytes) / seconds,
        pushed / seconds,
        min(1.0, gone / pushed) if pushed else 0.0,
        (after.delay - before.delay) / passed if passed > 0 else None,
        after.waiting,
    )


def size_text(size: float) -> str:
    if size < 999.5:
        return f"{size:.0f} B"
    if size < 999_950:
        return f"{size / 1e3:.1f} kB"
    return f"{size / 1e6:.1f} MB"


class Meter:
    """Writes the statistics of the interval since it wrote last.

    Args:
        stream: where to.
        first: the reading at the beginning.
        now: seconds, of that reading.
        as_json: an object a line, rather than text.
    """

    def __init__(
        self, stream: TextIO, first: ProxyStats, now: float, *, as_json: bool = False
    ) -> None:
        self.stream = stream
        self.as_json = as_json
        self.live = stream.isatty() and not as_json
        self.last = first
        self.last_at = self.began = now
        self.open = False

    def write(self, stats: ProxyStats, now: float) -> None:
        """One more reading; nothing when no time has passed."""
        seconds = now - self.last_at
        if seconds <= 0:
            return
        up, down = (
            way_rate(getattr(self.last, way), getattr(stats, way), seconds)
            for way in ("up", "down")
        )
        self.last, self.last_at = stats, now
        elapsed = now - self.began
        if self.as_json:
            found = {
                "elapsed": round(elapsed, 3),
                "clients": stats.clients,
                "up": asdict(up),
                "down": asdict(down),
            }
            print(json.dumps(found), file=self.stream, flush=True)
            return
        line = f"{elapsed:>5.0f} s  {stats.clients} clients  up {up}  down {down}"
        if not self.live:
            print(line, file=self.stream, flush=True)
            return
        width = shutil.get_terminal_size().columns - 1
        if len(line) > width:
            line = f"{elapsed:.0f} s, {stats.clients} cl, up {up.short()}, down {down.short()}"
        self.stream.write(RENEW + line[:width])
        self.stream.flush()
        self.open = True

    def end(self) -> None:
        """Leave the line that renews itself."""
        if self.open:
            self.stream.write("\n")
            self.stream.flush()
            self.open = False

    def summary(self, stats: ProxyStats, now: float) -> dict[str, object]:
        """Of the whole run, as ``output.show`` prints it."""
        out: dict[str, object] = {
            "seconds": round(now - self.began, 1),
            "clients": f"{stats.opened}, {stats.refused} datagrams refused"
            if stats.refused
            else stats.opened,
        }
        for way in ("up", "down"):
            total: WayStats = getattr(stats, way)
            gone = total.lost + total.too_large + total.queue_dropped + total.overflowed
            share = 100 * gone / total.pushed if total.pushed else 0.0
            mean = total.delay / (total.pushed - gone) if total.pushed > gone else math.nan
            delay = "" if math.isnan(mean) else f", {mean * 1e3:.1f} ms on average"
            out[way] = (
                f"{total.pushed} datagrams, {size_text(total.pushed_bytes)}; {total.lost} lost, "
                f"{total.queue_dropped + total.overflowed} dropped by a full queue "
                f"({share:.1f}%){delay}"
            )
        return out
