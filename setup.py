"""Compile the Cython modules; everything else is declared in pyproject.toml.

Environment switches, all off by default:

    NETCODE_TRACE=1      line tracing and every runtime check, for coverage
    NETCODE_SANITIZE=1   AddressSanitizer and UBSan (see CONTRIBUTING.md); quick: at -O0,
                         which compiles in a third of the time, for short runs
    NETCODE_ANNOTATE=1   Cython's HTML annotation beside each module
"""

import multiprocessing
import os
import sys
import sysconfig

from Cython.Build import cythonize
from setuptools import Extension, setup


def switch(name: str) -> bool:
    return os.environ.get(name) == "1"


START_METHOD = multiprocessing.get_context().get_start_method()
TRACE = switch("NETCODE_TRACE")
QUICK = os.environ.get("NETCODE_SANITIZE") == "quick"
SANITIZE = QUICK or switch("NETCODE_SANITIZE")

link_args: list[str] = []
macros: list[tuple[str, str | None]] = []
if sys.platform == "win32":
    compile_args = ["/O2"]
else:
    # Bytes on the wire must not depend on the machine: no -march=native, no
    # -ffast-math, and no fused multiply-add (arm64 contracts by default).
    compile_args = ["-O3", "-g0", "-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math"]
if TRACE:
    macros = [("CYTHON_TRACE_NOGIL", "1"), ("CYTHON_USE_SYS_MONITORING", "0")]
if SANITIZE:
    sanitizers = ["-fsanitize=address,undefined", "-fno-sanitize-recover=undefined"]
    compile_args = ["-g1", "-ffp-contract=off", "-fno-omit-frame-pointer", *sanitizers]
    compile_args.insert(0, "-O0" if QUICK else "-O1")
    link_args = sanitizers

# Modules named for an instruction set are compiled for it, and imported only by a processor that
# has it. Wider vectors only: no fused multiply-add, which rounds otherwise.
if sys.platform == "win32":
    avx2_args = ["/arch:AVX2"] if sysconfig.get_platform() == "win-amd64" else []
elif sys.platform == "darwin":
    avx2_args = ["-Xarch_x86_64", "-mavx2"]  # one build may be for two processors
else:
    avx2_args = ["-mavx2"] if sysconfig.get_platform().endswith("x86_64") else []

modules = cythonize(
    Extension(
        "*",
        ["netcode/**/*.pyx"],
        extra_compile_args=compile_args,
        extra_link_args=link_args,
        define_macros=macros,
    ),
    annotate=switch("NETCODE_ANNOTATE"),
    # Cython's own parallel translation works only where a worker is a fork of this process.
    nthreads=(os.cpu_count() or 0) if START_METHOD == "fork" else 0,
    compiler_directives={
        "language_level": 3,
        "boundscheck": TRACE,
        "wraparound": False,
        "initializedcheck": TRACE,
        "cdivision": True,
        "embedsignature": True,
        "embedsignature.format": "python",
        "freethreading_compatible": True,
        "linetrace": TRACE,
    },
)
for module in modules:
    if module.name.endswith("_avx2"):
        module.extra_compile_args = [*module.extra_compile_args, *avx2_args]

setup(
    ext_modules=modules,
    options={"build_ext": {"parallel": os.cpu_count()}},
)
