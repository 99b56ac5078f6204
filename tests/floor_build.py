"""Builds of the delta floor by other compiler settings, in a folder of their own, for tests."""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import netcode

__all__ = ["CC", "NETCODE", "build", "need_compiler"]

NETCODE = Path(netcode.__file__).resolve().parent
FLOOR = NETCODE / "delta"
CC = os.environ.get("CC", "cc").split()
SUFFIX = sysconfig.get_config_var("EXT_SUFFIX") or ".so"
FLAGS = ["-O0", "-g0", "-shared", "-fPIC", "-w", "-ffp-contract=off"]


def need_compiler() -> None:
    """Skip where nothing can be compiled; the gate fails there instead."""
    reason = ""
    if os.name != "posix":
        reason = "calls the compiler as Unix does"
    elif shutil.which(CC[0]) is None:
        reason = f"no C compiler {CC[0]}"
    elif "asan" in os.environ.get("LD_PRELOAD", ""):
        reason = "not of a sanitizer build"
    if reason and os.environ.get("NETCODE_GATE") == "1":
        pytest.fail(reason)
    if reason:
        pytest.skip(reason)


def translated(module: Path, folder: Path) -> Path:
    """A module of the floor as C: what its build left, where that is not out of date."""
    made = module.with_suffix(".c")
    if made.exists():
        named = set(re.findall(r'"(netcode/[\w/]+\.pxd)"', made.read_text()))
        sources = [module, *(NETCODE.parent / each for each in named)]
        if made.stat().st_mtime >= max(source.stat().st_mtime for source in sources):
            return made
    made = folder / made.name
    subprocess.run(
        [sys.executable, "-m", "cython", "-3", "-X", "cdivision=True,boundscheck=False",
         "-X", "wraparound=False,freethreading_compatible=True", "--module-name",
         f"netcode.delta.{module.stem}", "-o", made, module],
        check=True, cwd=NETCODE.parent, capture_output=True,
    )  # fmt: skip
    return made


def build(folder: Path, names: Iterable[str], flags: Iterable[str] = ()) -> None:
    """Put the package into ``folder``: these modules of the floor compiled without optimisation and
    with ``flags``, two at a time, and links to everything else."""
    modules = {name: f"{name}{SUFFIX}" for name in names}

    def left_out(inside: str, files: list[str]) -> list[str]:
        ours = set(modules.values()) if Path(inside) == FLOOR else set()
        return [
            name for name in files if name == "__pycache__" or name.endswith(".c") or name in ours
        ]

    def compile_one(name: str) -> None:
        source = translated(FLOOR / f"{name}.pyx", folder)
        target = folder / "netcode" / "delta" / modules[name]
        include = f"-I{sysconfig.get_path('include')}"
        subprocess.run([*CC, *FLAGS, *flags, include, source, "-o", target], check=True)

    shutil.copytree(NETCODE, folder / "netcode", copy_function=os.symlink, ignore=left_out)
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(compile_one, modules))
