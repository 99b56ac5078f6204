"""The development key, and the rules that keep it on this machine."""

from __future__ import annotations

from typing import Final

from netcode.errors import ConfigError
from netcode.io import HostPort, is_loopback
from netcode.security import Dialect
from netcode.security.dialect import PUBLIC_KEYS

__all__ = ["KEY_BYTES", "check_key", "client_key", "is_public", "server_key"]

KEY_BYTES: Final = 32

MAKE_ONE: Final = 'python -c "import netcode; print(netcode.generate_key().hex())"'


def check_key(key: bytes, name: str = "key") -> bytes:
    """ConfigError unless it is 32 bytes."""
    if not isinstance(key, (bytes, bytearray, memoryview)) or len(key) != KEY_BYTES:
        found = f"{len(key)} bytes" if hasattr(key, "__len__") else type(key).__name__
        raise ConfigError(
            f"{name} is {found}; it must be {KEY_BYTES} random bytes, the same on server and "
            f"token issuer. Make one with: {MAKE_ONE}"
        )
    return bytes(key)


def is_public(key: bytes | None) -> bool:
    """Whether everybody has the key: it is None, or one that libraries use when none is set."""
    return key is None or key in PUBLIC_KEYS


def server_key(
    key: bytes | None,
    previous: bytes | None,
    address: HostPort,
    dialect: Dialect = Dialect.STANDARD,
) -> bytes:
    """The key to serve with; ConfigError when ``address`` is open to others without one.

    ``previous`` is checked with it: a second key that everybody has would open the same door.
    """
    checked = dialect.development_key if key is None else check_key(key)
    if previous is not None:
        if key is None:
            raise ConfigError("previous_key needs key: without one there is nothing to replace")
        previous = check_key(previous, "previous_key")
        if previous == checked:
            raise ConfigError("previous_key is the same as key; give it only during a rotation")
    host, port = address
    open_to_all = is_public(checked) or (previous is not None and is_public(previous))
    if is_loopback(host) or not open_to_all:
        return checked
    found = "without a key" if key is None else "with a key that everybody has"
    raise ConfigError(
        f"binding {host or 'every interface'} {found} would let anybody in: give "
        f"Server(..., key=) 32 random bytes, the same that issue the connect tokens (make one "
        f'with: {MAKE_ONE}), or bind "127.0.0.1:{port}" for development on this machine'
    )


def client_key(
    key: bytes | None,
    addresses: list[HostPort],
    text: str,
    dialect: Dialect = Dialect.STANDARD,
) -> bytes:
    """The key to mint one's own token with; ConfigError when it would need a real one."""
    if key is not None:
        return check_key(key)
    if all(is_loopback(host) for host, _ in addresses):
        return dialect.development_key
    raise ConfigError(
        f"{text} is not this machine, so connecting needs a connect token from the game's "
        f"backend (token=), or the server's key (key=; whoever has it can issue tokens, so it "
        f"must not ship with a public client)"
    )
