"""Compiles the benchmarks' own Cython, as the library is compiled; it needs a C compiler."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from peers import Missing

__all__ = ["load"]

FOLDER = Path(__file__).resolve().parent
FLAGS = ["-O3", "-g0", "-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math"]
"""Those of setup.py, so that both sides get the same from the compiler."""


def load(name: str, folder: Path = FOLDER, flags: Sequence[str] = FLAGS) -> Any:
    """The module ``name``.pyx of a folder, built under its ``build/`` if its sources changed."""
    try:
        import Cython.Build
        import setuptools  # type: ignore[import-untyped]
    except ImportError as error:
        raise Missing(f"{name}.pyx is not compiled: {error}") from error
    source = folder / f"{name}.pyx"
    build = folder / "build" / sys.implementation.cache_tag
    extension = setuptools.Extension(
        name,
        [str(source)],
        include_dirs=[str(folder)],
        depends=[str(header) for header in folder.glob(f"{name}.h")],
        extra_compile_args=["/O2"] if sys.platform == "win32" else [*flags],
    )
    made: Any = Cython.Build.cythonize(  # type: ignore[no-untyped-call]
        [extension],
        build_dir=str(build),
        quiet=True,
        include_path=[str(FOLDER.parent), str(folder)],
    )
    distribution = setuptools.Distribution({"name": name, "ext_modules": made})
    command = distribution.get_command_obj("build_ext")
    command.build_lib = command.build_temp = str(build)
    command.ensure_finalized()
    try:
        command.run()
    except Exception as error:  # each compiler has its own
        raise Missing(f"{name}.pyx does not compile: {error}") from error
    spec = importlib.util.spec_from_file_location(name, command.get_ext_fullpath(name))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
