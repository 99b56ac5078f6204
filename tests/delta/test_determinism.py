"""The coder's bytes do not depend on the machine: pinned tables, and builds that differ."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
from coded_bytes import SHAPES
from floor_build import NETCODE, build, need_compiler

from netcode.delta.tables import decay, default_probabilities
from netcode.schema.simd import choices

ROOT = Path(__file__).resolve().parents[2]
CODED = Path(__file__).parents[1] / "coded_bytes.py"


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
    """Every module of the floor, without optimisation and with unsigned chars, as on ARM, beside
    what setup.py built: its ``-O3`` comes last on the command line, whatever CFLAGS say."""
    need_compiler()
    assert '"-O3"' in (ROOT / "setup.py").read_text()
    modules = sorted(source.stem for source in (NETCODE / "delta").glob("*.pyx"))
    assert len(modules) >= 11
    build(tmp_path, modules, ["-funsigned-char"])
    where, digest = coded_by(tmp_path)
    assert where == [tmp_path] * len(modules)
    where, installed = coded_by(NETCODE.parent)
    assert where == [NETCODE.parent] * len(modules)
    assert digest == installed
