from collections.abc import Iterable
from typing import Any, Literal, NamedTuple, Self

from typing_extensions import Buffer

__all__ = ["Address", "parse_address"]

class AddressFields(NamedTuple):
    host: str
    port: int

class Address(AddressFields):
    def __new__(cls, host: str, port: int = 0) -> Self: ...
    @classmethod
    def _make(cls, iterable: Iterable[Any]) -> Self: ...  # type: ignore[override]
    @classmethod
    def from_bytes(
        cls, data: Buffer, order: Literal["standard", "network"] = "standard"
    ) -> Self: ...
    def to_bytes(self, order: Literal["standard", "network"] = "standard") -> bytes: ...
    @property
    def family(self) -> Literal[4, 6]: ...
    @property
    def is_loopback(self) -> bool: ...
    def unmapped(self) -> Self: ...

def parse_address(text: str) -> Address: ...
