"""The coder's bytes do not depend on the machine: pinned tables, and builds that differ."""

import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
from coded_bytes import SHAPES

from netcode.delta.tables import decay, default_probabilities
from netcode.schema.simd import choices

ROOT = Path(__file__).resolve().parents[2]
CODED = Path(__file__).parents[1] / "coded_bytes.py"
MODULES = ("changes", "coder", "motion", "shape")
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


def translated(folder):
    """The coder's modules as C."""
    for name in MODULES:
        subprocess.run(
            [sys.executable, "-m", "cython", "-3", "-X", "cdivision=True,boundscheck=False",
             "-X", "wraparound=False,freethreading_compatible=True", "--module-name",
             f"netcode.delta.{name}", "-o", folder / f"{name}.c",
             ROOT / "netcode" / "delta" / f"{name}.pyx"],
            check=True, cwd=ROOT, capture_output=True,
        )  # fmt: skip
    return [folder / f"{name}.c" for name in MODULES]


def compile_into(folder, sources, level):
    """The package with the coder's modules compiled at this level; the others are linked."""
    shutil.copytree(
        ROOT / "netcode",
        folder / "netcode",
        copy_function=os.symlink,
        ignore=shutil.ignore_patterns("*.c", "__pycache__", *(f"{m}.*.so" for m in MODULES)),
    )
    flags = [f"-O{level}", "-g0", "-shared", "-fPIC", "-w", "-ffp-contract=off"]
    for source in sources:
        target = folder / "netcode" / "delta" / f"{source.stem}{SUFFIX}"
        compiler = [*os.environ.get("CC", "cc").split(), *flags]
        include = f"-I{sysconfig.get_path('include')}"
        subprocess.run([*compiler, include, source, "-o", target], check=True)


def coded_by(folder, **switches):
    """(where the modules lay, digest of their bytes)"""
    done = subprocess.run(
        [sys.executable, CODED], check=True, capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": str(folder), "PYTHONSAFEPATH": "1", **switches},
    )  # fmt: skip
    *files, digest = done.stdout.split()
    return [Path(file).parents[2] for file in files], digest


def test_wider_vectors_write_the_same_bytes():
    digests = {coded_by(ROOT, NETCODE_SIMD=name)[1] for name in choices()}
    assert len(digests) == 1


@pytest.mark.skipif(os.name != "posix", reason="calls the compiler as Unix does")
@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")
@pytest.mark.skipif("asan" in os.environ.get("LD_PRELOAD", ""), reason="not of a sanitizer build")
@pytest.mark.timeout(600)
def test_builds_at_o0_and_o3_write_the_same_bytes(tmp_path):
    pytest.importorskip("Cython")
    sources = translated(tmp_path)
    digests = set()
    for level in (0, 3):
        folder = tmp_path / f"o{level}"
        folder.mkdir()
        compile_into(folder, sources, level)
        where, digest = coded_by(folder)
        assert where == [folder, folder]
        digests.add(digest)
    assert len(digests) == 1
    installed = subprocess.run(
        [sys.executable, CODED], check=True, capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert installed.stdout.split()[-1] in digests
