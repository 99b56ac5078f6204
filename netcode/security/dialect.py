"""The dialects of netcode 1.02 that are met in the wild."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final, Literal, Self

from netcode.errors import ConfigError

__all__ = ["DEVELOPMENT_KEY", "PUBLIC_KEYS", "Dialect"]

LARGEST_PAYLOAD: Final = 1300
KEY_BYTES: Final = 32

DEVELOPMENT_KEY: Final = b"netcode development, no secrecy!"
"""The standard dialect's key when none is given. Everybody has it: for loopback only."""

ZERO_KEY: Final = bytes(KEY_BYTES)
"""What the implementations in Rust use where no key is set. Everybody has it as well."""

PUBLIC_KEYS: Final = frozenset({DEVELOPMENT_KEY, ZERO_KEY})
"""Keys that keep nobody out."""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Dialect:
    """How an implementation of netcode 1.02 differs from the standard; both ends need the same.

    ``Dialect.STANDARD`` is the standard as the C reference and most others have it,
    ``Dialect.RENET`` is renet's (renetcode), ``Dialect.LIGHTYEAR`` is lightyear's. The packets
    are the same in all of them.

    Raises:
        ConfigError: names the field, its value and the limit.
    """

    STANDARD: ClassVar[Self]
    RENET: ClassVar[Self]
    LIGHTYEAR: ClassVar[Self]

    name: str = "custom"
    """For people."""

    max_payload: int = 1200
    """Bytes of the largest payload packet, 1 to 1,300. Larger ones are refused by either end."""

    token_order: Literal["standard", "network"] = "standard"
    """How tokens write an IPv6 address: eight little-endian groups, or "network": as in IP.

    A token of the other order names another server, and is refused. IPv4 is the same in both.
    """

    development_key: bytes = DEVELOPMENT_KEY
    """32 bytes that serve as the key on loopback when none is given."""

    def __post_init__(self) -> None:
        size = self.max_payload
        if not isinstance(size, int) or isinstance(size, bool) or not 1 <= size <= LARGEST_PAYLOAD:
            raise ConfigError(f"max_payload: {size!r}, must be 1 to {LARGEST_PAYLOAD}")
        if self.token_order not in ("standard", "network"):
            raise ConfigError(f"token_order: {self.token_order!r}, must be 'standard' or 'network'")
        if not isinstance(self.development_key, bytes) or len(self.development_key) != KEY_BYTES:
            raise ConfigError(f"development_key must be {KEY_BYTES} bytes")

    def __repr__(self) -> str:
        return f"<Dialect {self.name}>"


Dialect.STANDARD = Dialect(name="standard")
Dialect.RENET = Dialect(
    name="renet", max_payload=1300, token_order="network", development_key=ZERO_KEY
)
Dialect.LIGHTYEAR = Dialect(name="lightyear", token_order="network", development_key=ZERO_KEY)
