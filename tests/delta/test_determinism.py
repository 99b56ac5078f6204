"""The coder's bytes do not depend on the machine: pinned tables, and builds that differ."""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from coded_bytes import SHAPES

import netcode
from netcode.delta.tables import decay, default_probabilities
from netcode.schema.simd import choices

NETCODE = Path(netcode.__file__).resolve().parent
CODED = Path(__file__).parents[1] / "coded_bytes.py"
CC = os.environ.get("CC", "cc").split()
SUFFIX = sysconfig.get_config_var("EXT_SUFFIX") or ".so"


def digest_of(shape):
    table = default_probabilities(shape).astype("<u2").tobytes()
    return hashlib.blake2b(table, digest_size=8).hexdigest()


def test_tables_of_the_law_are_pinned():
    # both ends compute them: a change is a change of the wire format, and of MODEL_VERSION
    assert [digest_of(shape) for shape in SHAPES] == ["8177d2ada281f64b", "fb84661be2ac329c"]


def test_decay_is_the_exponential():
    e = 2.718281828459045
    for x in (0, 1 << 39, 1 << 40, 5 << 40, 20 << 40):
        assert abs(decay(x) - e ** -(x / 2**40) * 2**40) < 16
    assert decay(60 << 40) == 0


def compiler():
    """Whether modules can be compiled here: the gate fails where others skip."""
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


def translated(module, folder):
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


def link_all_but_the_floor(folder):
    """The package in a folder; of the floor there are no compiled modules yet."""

    def left_out(inside, names):
        floor = Path(inside) == NETCODE / "delta"
        return [
            name
            for name in names
            if name == "__pycache__" or name.endswith(".c") or (floor and name.endswith(SUFFIX))
        ]

    shutil.copytree(NETCODE, folder / "netcode", copy_function=os.symlink, ignore=left_out)


def compile_into(folder, module, level):
    """One module of the floor at this level. Char is unsigned, as on ARM."""
    flags = [f"-O{level}", "-g0", "-shared", "-fPIC", "-w", "-ffp-contract=off", "-funsigned-char"]
    source = translated(module, folder)
    target = folder / "netcode" / "delta" / f"{module.stem}{SUFFIX}"
    include = f"-I{sysconfig.get_path('include')}"
    subprocess.run([*CC, *flags, include, source, "-o", target], check=True)


def coded_by(folder, **switches):
    """(where the modules lay, digest of their bytes)"""
    done = subprocess.run(
        [sys.executable, CODED], check=True, capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": str(folder), "PYTHONSAFEPATH": "1", **switches},
    )  # fmt: skip
    *files, digest = done.stdout.split()
    return [Path(file).parents[2] for file in files], digest


def test_wider_vectors_write_the_same_bytes():
    digests = {coded_by(NETCODE.parent, NETCODE_SIMD=name)[1] for name in choices()}
    assert len(digests) == 1


@pytest.mark.timeout(600)
def test_a_build_at_o0_writes_the_bytes_of_the_build_at_o3(tmp_path):
    """Every module of the floor, without optimisation, beside what setup.py built: its ``-O3``
    comes last on the command line, whatever CFLAGS say."""
    compiler()
    assert '"-O3"' in (NETCODE.parent / "setup.py").read_text()
    modules = sorted((NETCODE / "delta").glob("*.pyx"))
    assert len(modules) >= 11
    link_all_but_the_floor(tmp_path)
    with ThreadPoolExecutor(2) as pool:  # each waits for a compiler
        list(pool.map(lambda module: compile_into(tmp_path, module, 0), modules))
    where, digest = coded_by(tmp_path)
    assert where == [tmp_path] * len(modules)
    where, installed = coded_by(NETCODE.parent)
    assert where == [NETCODE.parent] * len(modules)
    assert digest == installed
