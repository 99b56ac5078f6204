"""Tells the operator, in the log and not too often, that strangers are turned away and why."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Final

__all__ = ["RefusalLog", "Throttle"]

log = logging.getLogger("netcode")

LOG_SECONDS: Final = 5.0
"""At most one line in this time, whatever arrives."""

OVERRUN_SECONDS: Final = 1.0

CAUSES: Final = {
    "request_forged": "a connect token sealed with another key, or altered",
    "request_invalid": "a connect token whose content makes no sense",
    "request_protocol": "another protocol_id",
    "request_version": "another netcode version",
    "request_expired": "an expired connect token",
    "request_other_server": "a connect token for other server addresses than this one's",
    "request_before_start": "a connect token made before this server started",
    "request_client_connected": "a client_id that is connected already",
    "request_token_consumed": "a connect token that was used already",
    "request_token_elsewhere": "a connect token in use from another address",
    "request_server_full": "every slot is taken",
    "request_history_full": "more unexpired tokens than token_history remembers",
    "request_handshakes_full": "more handshakes at a time than max_handshakes",
    "not_loopback": "datagrams from another machine, while the development key is in use",
}
"""Counters that say something about a client's or our own configuration."""


class Throttle:
    """Warnings that peers can cause as often as they like: one in LOG_SECONDS is written."""

    def __init__(self) -> None:
        self.next_at = float("-inf")
        self.unsaid = 0

    def warning(self, now: float, text: str, *arguments: object) -> None:
        """Write a line, or count it for the next one."""
        if now < self.next_at:
            self.unsaid += 1
            return
        more = f" (and {self.unsaid} more such)" if self.unsaid else ""
        log.warning(text + more, *arguments)
        self.next_at, self.unsaid = now + LOG_SECONDS, 0


class RefusalLog:
    """Compares an endpoint's counters with those of the last line it wrote."""

    def __init__(self) -> None:
        self.seen: dict[str, int] = {}
        self.next_at = float("-inf")
        self.next_overrun_at = float("-inf")
        self.dropped = 0

    def overrun(self, dropped: int, now: float) -> None:
        """Ticks were dropped; at most one line a second says how many."""
        self.dropped += dropped
        if now >= self.next_overrun_at:
            log.warning("the tick loop is too slow: %d ticks dropped", self.dropped)
            self.dropped, self.next_overrun_at = 0, now + OVERRUN_SECONDS

    def update(self, counters: Mapping[str, int], now: float) -> None:
        """Write a line when something was refused since the last one."""
        if now < self.next_at:
            return
        self.next_at = now + LOG_SECONDS
        grown = {
            name: counters[name] - self.seen.get(name, 0)
            for name in CAUSES
            if counters.get(name, 0) > self.seen.get(name, 0)
        }
        if not grown:
            return
        self.seen.update((name, counters[name]) for name in grown)
        log.warning(
            "refused datagrams in the last %.0f s: %s",
            LOG_SECONDS,
            "; ".join(f"{count} x {name} ({CAUSES[name]})" for name, count in grown.items()),
        )
