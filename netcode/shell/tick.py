"""One turn of a server's loop."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar

import numpy as np
import numpy.typing as npt

from netcode.schema import Schema
from netcode.shell.events import Joined, Left, Message, Offered

if TYPE_CHECKING:
    from netcode.shell.player import Player

__all__ = ["Tick"]

I = TypeVar("I", bound=Schema)  # noqa: E741


class Tick(Generic[I]):
    """What ``for tick in server`` gives: the time that passes and what came in.

    Attributes:
        number: counts from 1, without gaps.
        dt: seconds that one tick stands for, always ``1 / tick_rate``.
        events: what happened since the last tick, in order.
        overrun: ticks dropped just before this one, because the loop was too far behind.
        late: seconds after its deadline that this tick began.
    """

    __slots__ = ("cached_inputs", "dt", "events", "input_schema", "late", "number", "overrun",
                 "players")  # fmt: skip

    def __init__(
        self,
        number: int,
        dt: float,
        events: list[Joined[I] | Left[I] | Message[I] | Offered],
        players: list[Player[I]],
        input_schema: type[I] | None,
        *,
        overrun: int = 0,
        late: float = 0.0,
    ) -> None:
        self.number = number
        self.dt = dt
        self.events = events
        self.players = players
        self.input_schema = input_schema
        self.overrun = overrun
        self.late = late
        self.cached_inputs: npt.NDArray[Any] | None = None

    def __repr__(self) -> str:
        return f"<Tick {self.number}: {len(self.events)} events, {len(self.players)} players>"

    @property
    def inputs(self) -> npt.NDArray[Any]:
        """This tick's inputs as one structured array, a row per player.

        The fields are ``client`` (u4, the client index) and those of the input schema.
        """
        if self.cached_inputs is None:
            self.cached_inputs = input_array(self.input_schema, self.players)
        return self.cached_inputs


def input_array(schema: type[I] | None, players: list[Player[I]]) -> npt.NDArray[Any]:
    fields: list[Any] = [("client", "<u4")]
    if schema is not None:
        dtype = schema.dtype
        fields += [(name, dtype[name]) for name in dtype.names or ()]
    out = np.zeros(len(players), np.dtype(fields))
    out["client"] = [player.index for player in players]
    if schema is not None and players:
        rows = schema.decode_records(schema.encode_many([player.input for player in players]))
        for name in dtype.names or ():
            out[name] = rows[name]
    return out
