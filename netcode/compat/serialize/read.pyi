import builtins
from typing import (
    Any,
    ClassVar,
    Final,
    Literal,
    NoReturn,
    Protocol,
    SupportsFloat,
    SupportsIndex,
    TypeVar,
    final,
)

import numpy as np
from typing_extensions import Buffer

from netcode.bits import BitReader

__all__ = ["ReadStream"]

# Only from 3.12 on do NumPy's stubs say that an array is a Buffer.
_Array = np.ndarray[Any, Any]
_Object = TypeVar("_Object", bound="_Serializable")

class _Serializable(Protocol):
    def serialize(self, stream: ReadStream, /) -> builtins.object: ...

@final
class ReadStream:
    reader: Final[BitReader]
    is_writing: ClassVar[Literal[False]]
    is_reading: ClassVar[Literal[True]]
    is_measuring: ClassVar[Literal[False]]
    def __new__(
        cls, data: BitReader | Buffer | _Array, *, bits: SupportsIndex | None = None
    ) -> ReadStream: ...
    def bits(self, value: builtins.object, bits: SupportsIndex) -> builtins.int: ...
    def bool(self, value: builtins.object) -> builtins.bool: ...
    def int(
        self, value: builtins.object, minimum: SupportsIndex, maximum: SupportsIndex
    ) -> builtins.int: ...
    def int64(
        self, value: builtins.object, minimum: SupportsIndex, maximum: SupportsIndex
    ) -> builtins.int: ...
    def uint128(self, value: builtins.object) -> builtins.int: ...
    def int128(
        self, value: builtins.object, minimum: SupportsIndex, maximum: SupportsIndex
    ) -> builtins.int: ...
    def fixed(
        self,
        raw: builtins.object,
        integer_bits: SupportsIndex,
        fraction_bits: SupportsIndex,
        minimum: SupportsIndex,
        maximum: SupportsIndex,
    ) -> builtins.int: ...
    def int_relative(self, value: builtins.object, previous: SupportsIndex) -> builtins.int: ...
    def float(self, value: builtins.object) -> builtins.float: ...
    def double(self, value: builtins.object) -> builtins.float: ...
    def compressed_float(
        self,
        value: builtins.object,
        minimum: SupportsFloat | SupportsIndex,
        maximum: SupportsFloat | SupportsIndex,
        resolution: SupportsFloat | SupportsIndex,
    ) -> builtins.float: ...
    def bytes(self, value: builtins.object, count: SupportsIndex) -> builtins.bytes: ...
    def string(self, value: builtins.object, buffer_size: SupportsIndex) -> str: ...
    def wstring(self, value: builtins.object, buffer_size: SupportsIndex) -> str: ...
    def align(self) -> None: ...
    def object(self, value: _Object) -> _Object: ...
    @property
    def bits_processed(self) -> builtins.int: ...
    @property
    def bytes_processed(self) -> builtins.int: ...
    def __reduce__(self) -> NoReturn: ...
