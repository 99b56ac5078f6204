"""The server's side of the hello: connected clients become players, or hear why not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from netcode.errors import DecodeError
from netcode.replication.contract import Contract, Spoken
from netcode.replication.hello import REVISION, Bye, Hello, Refusal, parse_control
from netcode.session import CloseReason
from netcode.shell.refusals import Throttle

__all__ = ["HELLO_SECONDS", "Guest", "Reception"]

HELLO_SECONDS: Final = 10.0
"""A client that has not said hello by then is disconnected."""

FAREWELL_SECONDS: Final = 1.0
"""A client that was told to go, and has not gone by itself, is disconnected."""


@dataclass(slots=True)
class Guest:
    """A connected client that is not a player yet."""

    index: int
    client_id: int
    user_data: bytes
    address: str
    deadline: float


class Reception:
    """Sans I/O: ``send(index, data)`` pushes a control message, ``drop(index)`` disconnects."""

    def __init__(
        self,
        contract: Contract,
        capacities: tuple[int, ...],
        tick_rate: float,
        *,
        send: Callable[[int, bytes], None],
        drop: Callable[[int], None],
    ) -> None:
        self.contract = contract
        self.capacities = capacities
        self.tick_rate = tick_rate
        self.send = send
        self.drop = drop
        self.guests: dict[int, Guest] = {}
        self.leaving: dict[int, float] = {}
        self.mismatches = 0
        self.missed = 0
        self.warnings = Throttle()
        self.refusal: bytes | None = None

    def arrive(self, guest: Guest) -> None:
        """A client connected; it has HELLO_SECONDS for its hello."""
        self.guests[guest.index] = guest
        self.leaving.pop(guest.index, None)

    def depart(self, index: int) -> None:
        """A client disconnected, whatever it was."""
        self.guests.pop(index, None)
        self.leaving.pop(index, None)

    def hear(self, index: int, data: bytes, tick: int, now: float) -> tuple[Guest, Spoken] | None:
        """A control message of a client; the guest when it just became a player, with the
        versions that it speaks.

        Raises DecodeError for what no client of ours sends.
        """
        control = parse_control(data)
        guest = self.guests.get(index)
        if guest is None or not isinstance(control, Hello):
            if index in self.leaving:
                return None
            raise DecodeError(f"{type(control).__name__} out of turn")
        del self.guests[index]
        spoken = self.contract.settle(control)
        if spoken is not None:
            welcome = self.contract.welcome(
                control, spoken, index, self.tick_rate, tick, self.capacities
            )
            self.send(index, welcome.encode())
            for line in self.contract.unmatched(control, spoken):
                self.missed += 1
                self.warnings.warning(
                    now, "%s: no model in common, so coded without: %s", guest.address, line
                )
            return guest, spoken
        self.mismatches += 1
        self.warnings.warning(now, "%s has other schemas; it was told which", guest.address)
        if self.refusal is None:
            self.refusal = self.contract.refusal().encode()
        other = control.revision != REVISION
        self.send(index, Refusal(REVISION, None, (), ()).encode() if other else self.refusal)
        self.leaving[index] = now + FAREWELL_SECONDS
        return None

    def dismiss(self, index: int, reason: str, code: CloseReason, now: float) -> None:
        """Tell a client why it has to go; it is dropped when it does not go by itself."""
        self.send(index, Bye(reason, code).encode())
        self.leaving[index] = now + FAREWELL_SECONDS

    def update(self, now: float) -> None:
        """Drop those whose time is up."""
        for index in [n for n, guest in self.guests.items() if guest.deadline <= now]:
            del self.guests[index]
            self.drop(index)
        for index in [n for n, deadline in self.leaving.items() if deadline <= now]:
            del self.leaving[index]
            self.drop(index)
