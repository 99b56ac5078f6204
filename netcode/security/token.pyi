from collections.abc import Iterable
from typing import Any, Literal, NamedTuple, Protocol, Self, type_check_only

from typing_extensions import Buffer

from netcode.security.address import Address

__all__ = [
    "PrivateToken",
    "open_challenge",
    "read_public_token",
    "seal_challenge",
    "write_public_token",
]

class PrivateTokenFields(NamedTuple):
    client_id: int
    timeout: int
    servers: tuple[Address, ...]
    client_to_server_key: bytes
    server_to_client_key: bytes
    user_data: bytes

class PrivateToken(PrivateTokenFields):
    @classmethod
    def from_bytes(
        cls, data: Buffer, order: Literal["standard", "network"] = "standard"
    ) -> Self: ...
    def to_bytes(self, order: Literal["standard", "network"] = "standard") -> bytes: ...
    @classmethod
    def open(
        cls,
        sealed: Buffer,
        *,
        protocol_id: int,
        expire_timestamp: int,
        nonce: Buffer,
        private_key: Buffer,
        order: Literal["standard", "network"] = "standard",
    ) -> Self: ...
    def seal(
        self,
        *,
        protocol_id: int,
        expire_timestamp: int,
        nonce: Buffer,
        private_key: Buffer,
        order: Literal["standard", "network"] = "standard",
    ) -> bytes: ...
    def names(self, server: Address | str | tuple[str, int]) -> bool: ...

@type_check_only
class PublicFields(Protocol):
    @property
    def protocol_id(self) -> int: ...
    @property
    def create_timestamp(self) -> int: ...
    @property
    def expire_timestamp(self) -> int: ...
    @property
    def timeout(self) -> int: ...
    @property
    def servers(self) -> Iterable[Address]: ...
    @property
    def nonce(self) -> Buffer: ...
    @property
    def sealed(self) -> Buffer: ...
    @property
    def client_to_server_key(self) -> Buffer: ...
    @property
    def server_to_client_key(self) -> Buffer: ...

def write_public_token(
    token: PublicFields, order: Literal["standard", "network"] = "standard"
) -> bytes: ...
def read_public_token(
    data: Buffer, order: Literal["standard", "network"] = "standard"
) -> dict[str, Any]: ...
def seal_challenge(client_id: int, user_data: Buffer, *, sequence: int, key: Buffer) -> bytes: ...
def open_challenge(sealed: Buffer, *, sequence: int, key: Buffer) -> tuple[int, bytes]: ...
