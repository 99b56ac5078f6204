"""Floor 2, schemas: classes whose fields know how they travel, and the codec compiled from them.

The rooms, each using only those before it:

    limits      how large and how deep a schema may be
    markers     what stands inside Annotated
    kinds       what the markers mean, one class for each kind of field
    numbers     checks of the numbers in markers
    resolve     from an annotation to its kind
    program     from kinds to the flat op program, and its lanes
    describe    canonical description, hash, differences
    explain     where the bits go, as a table
    ops         the op program as C structs, and what a failed run leaves behind
    plan        how the codes of a block of rows share words
    packer      bit streams in registers
    values      numbers to codes and back
    rotation    quaternions to codes and back
    store       single values in NumPy memory
    python      the C API on borrowed pointers
    direct      objects to bits, where values are just what is expected
    writing     objects to bits
    reading     bits to objects
    rows        NumPy rows to bits and back
    gather      values of a block of rows to codes
    scatter     codes to values of a block of rows
    blocks      a block of NumPy rows on its way to bits or from them
    block_writing  rows to bits, a block at a time
    block_reading  bits to rows, a block at a time
    simd        which of the next two this processor runs
    blocks_avx2    the block path for x86-64 with AVX2
    blocks_base    the block path for the others
    lanes       NumPy columns to lanes and back
    array       the head of a NumPy array in memory
    tables      checked addresses of NumPy arrays
    faults      messages of errors
    assembly    the op program in memory
    codec       the Python side of all paths
    dissect     what each bit of encoded data is
    instance    the C base class of schema objects
    cells       single values between Python and columns
    definition  reading a class statement
    versions    the codecs of older versions
    base        Schema itself

Every path of a schema gives the same bytes: objects, lists of objects and NumPy rows.
"""

from netcode.schema.base import Schema, SchemaType
from netcode.schema.describe import differences
from netcode.schema.dissect import DataExplanation, DataRow
from netcode.schema.explain import Explanation, ExplanationRow
from netcode.schema.kinds import Field
from netcode.schema.markers import (
    Angle,
    ArrayOf,
    Bits,
    Blob,
    Float32,
    Float64,
    Marker,
    Quantized,
    Quat,
    Range,
    Since,
    Text,
    VarUint,
    Vec2,
    Vec3,
)
from netcode.schema.program import Lane
from netcode.schema.versions import VersionCodec

__all__ = [
    "Angle",
    "ArrayOf",
    "Bits",
    "Blob",
    "DataExplanation",
    "DataRow",
    "Explanation",
    "ExplanationRow",
    "Field",
    "Float32",
    "Float64",
    "Lane",
    "Marker",
    "Quantized",
    "Quat",
    "Range",
    "Schema",
    "SchemaType",
    "Since",
    "Text",
    "VarUint",
    "Vec2",
    "Vec3",
    "VersionCodec",
    "differences",
]
