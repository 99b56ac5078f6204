"""The block path compiled for this processor, chosen when the module is imported.

``block_writing.pxd`` and ``block_reading.pxd`` are compiled into a module for each instruction set
that pays. All give the same bytes and the same floats: what is chosen is only how many numbers an
instruction takes. A module for an instruction set that the processor lacks is not even imported,
as its first instruction might be one of those.
"""

import os
from importlib import import_module

from cpython.pycapsule cimport PyCapsule_GetPointer

cdef extern from *:
    """
    #if (defined(__x86_64__) || defined(__i386__)) && (defined(__GNUC__) || defined(__clang__))
    static int nc_has_avx2(void) {
        __builtin_cpu_init();
        return __builtin_cpu_supports("avx2") != 0;
    }
    #elif defined(_M_X64) && defined(_MSC_VER)
    #include <immintrin.h>
    #include <intrin.h>
    static int nc_has_avx2(void) {
        int r[4];
        __cpuid(r, 0);
        if (r[0] < 7) return 0;
        __cpuid(r, 1);  /* the system saves the wide registers (XCR0), or they cannot be used */
        if ((r[2] & 0x18000000) != 0x18000000 || (_xgetbv(0) & 6) != 6) return 0;
        __cpuidex(r, 7, 0);
        return (r[1] & 0x20) != 0;
    }
    #else
    static int nc_has_avx2(void) { return 0; }
    #endif
    """
    bint nc_has_avx2() noexcept nogil

__all__ = ["choose", "choices", "chosen"]

cdef const char *CAPSULE = "netcode.schema.blocks"
cdef block_path path
cdef str name = ""


cdef int encode_blocks(table_view *t, const plan *p, packer *out) noexcept nogil:
    """Append rows 0 to ``t.rows`` - 1, of one stride; -1 with ``t.error`` and ``t.row``."""
    return path.encode(t, p, out)


cdef int decode_blocks(table_view *t, const plan *p, unpacker *source) noexcept nogil:
    """Read into rows 0 to ``t.rows`` - 1, of one stride; -1 with ``t.error`` and ``t.row``."""
    return path.decode(t, p, source)


def choices() -> tuple[str, ...]:
    """What this processor can run, the fastest first: "avx2" where it has it, "base" always."""
    return ("avx2", "base") if nc_has_avx2() else ("base",)


def chosen() -> str:
    """What runs."""
    return name


def choose(wanted: str) -> None:
    """Run ``wanted`` from now on, in the whole process.

    Not while another thread encodes or decodes rows. ValueError when it is not one of
    ``choices()``.
    """
    global name, path
    if wanted not in choices():
        raise ValueError(f"instruction set {wanted!r} is not one of {', '.join(choices())}")
    module = import_module(f"netcode.schema.blocks_{wanted}")
    path = (<block_path *>PyCapsule_GetPointer(module.PATH, CAPSULE))[0]
    name = wanted


def first_choice() -> str:
    """The value of NETCODE_SIMD, or the best there is."""
    wanted = os.environ.get("NETCODE_SIMD", "")
    if wanted and wanted not in choices():
        raise ImportError(f"NETCODE_SIMD={wanted}: not one of {', '.join(choices())}")
    return wanted or choices()[0]


choose(first_choice())
