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

from netcode.bits import BitWriter

__all__ = ["WriteStream"]

# Only from 3.12 on do NumPy's stubs say that an array is a Buffer.
_Array = np.ndarray[Any, Any]

# What was given is what is returned.
_Integer = TypeVar("_Integer", bound=SupportsIndex)
_Number = TypeVar("_Number", bound=SupportsFloat | SupportsIndex)
_Bytes = TypeVar("_Bytes", bound=Buffer | _Array)
_Text = TypeVar("_Text", bound=str)
_Object = TypeVar("_Object", bound="_Serializable")

class _Serializable(Protocol):
    def serialize(self, stream: WriteStream, /) -> builtins.object: ...

@final
class WriteStream:
    writer: Final[BitWriter]
    is_writing: ClassVar[Literal[True]]
    is_reading: ClassVar[Literal[False]]
    is_measuring: ClassVar[Literal[False]]
    def __new__(cls, target: BitWriter | SupportsIndex | None = None) -> WriteStream: ...
    def bits(self, value: _Integer, bits: SupportsIndex) -> _Integer: ...
    def bool(self, value: builtins.object) -> builtins.bool: ...
    def int(self, value: _Integer, minimum: SupportsIndex, maximum: SupportsIndex) -> _Integer: ...
    def int64(
        self, value: _Integer, minimum: SupportsIndex, maximum: SupportsIndex
    ) -> _Integer: ...
    def uint128(self, value: _Integer) -> _Integer: ...
    def int128(
        self, value: _Integer, minimum: SupportsIndex, maximum: SupportsIndex
    ) -> _Integer: ...
    def fixed(
        self,
        raw: _Integer,
        integer_bits: SupportsIndex,
        fraction_bits: SupportsIndex,
        minimum: SupportsIndex,
        maximum: SupportsIndex,
    ) -> _Integer: ...
    def int_relative(self, value: _Integer, previous: SupportsIndex) -> _Integer: ...
    def float(self, value: _Number) -> _Number: ...
    def double(self, value: _Number) -> _Number: ...
    def compressed_float(
        self,
        value: _Number,
        minimum: SupportsFloat | SupportsIndex,
        maximum: SupportsFloat | SupportsIndex,
        resolution: SupportsFloat | SupportsIndex,
    ) -> _Number: ...
    def bytes(self, value: _Bytes, count: SupportsIndex) -> _Bytes: ...
    def string(self, value: _Text, buffer_size: SupportsIndex) -> _Text: ...
    def wstring(self, value: _Text, buffer_size: SupportsIndex) -> _Text: ...
    def align(self) -> None: ...
    def object(self, value: _Object) -> _Object: ...
    @property
    def bits_processed(self) -> builtins.int: ...
    @property
    def bytes_processed(self) -> builtins.int: ...
    def to_bytes(self) -> builtins.bytes: ...
    def __reduce__(self) -> NoReturn: ...
