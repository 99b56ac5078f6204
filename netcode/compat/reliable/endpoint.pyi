from collections.abc import Callable
from typing import final

from typing_extensions import Buffer

from netcode.compat.reliable.config import ReliableConfig, ReliableStats

__all__ = ["ReliableEndpoint"]

@final
class ReliableEndpoint:
    def __new__(
        cls, config: ReliableConfig | None = None, now: float = 0.0, *, sequence: int = 0
    ) -> ReliableEndpoint: ...
    @property
    def config(self) -> ReliableConfig:
        """As it was given."""

    @property
    def next_sequence(self) -> int:
        """The sequence that the next packet sent will have."""

    @property
    def counters(self) -> dict[str, int]:
        """Packets and fragments by what became of them.

        The eleven of the C library: ``packets_sent``, ``packets_received`` (whole ones, refused
        ones included), ``packets_acked``, ``packets_stale`` (too old for the window),
        ``packets_invalid`` (no header), ``packets_too_large_to_send``,
        ``packets_too_large_to_receive``, ``fragments_sent``, ``fragments_received``,
        ``fragments_invalid`` and ``packets_duplicate``. And what that library drops in silence:
        ``packets_rejected`` (by ``accept``), ``fragments_late`` (the packet is complete),
        ``fragments_duplicate`` and ``acks_postponed`` (``pop_acks`` is not called).
        """

    @property
    def reassembling(self) -> int:
        """Packets of which some fragments have come and some have not."""

    @property
    def stats(self) -> ReliableStats:
        """Figures as of the last ``update``; ``rtt_ms`` as of the last ack."""

    def send(self, packet: Buffer, now: float) -> list[bytes]: ...
    def receive(
        self,
        datagram: Buffer,
        now: float,
        accept: Callable[[int, bytes], object] | None = None,
    ) -> tuple[int, bytes] | None: ...
    def pop_acks(self) -> list[int]: ...
    def update(self, now: float) -> None: ...
