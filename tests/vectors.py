"""Interop vectors: facts produced by the reference implementations of the open standards.

The folder is named by the environment variable ``NETCODE_VECTORS``; without it, ``shared/vectors``
beside the repository. A file or a key that is not there skips the caller with the reason, so a
smaller or a held-back set runs through the same tests.
"""

from __future__ import annotations

import functools
import json
import os
from pathlib import Path
from typing import Any

import pytest

__all__ = ["FOLDER", "load"]

REPOSITORY = Path(__file__).resolve().parent.parent
FOLDER = Path(os.environ.get("NETCODE_VECTORS") or REPOSITORY.parent / "shared" / "vectors")


@functools.cache
def parse(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def load(name: str, key: str | None = None) -> Any:
    """The JSON value of file ``name``, or of its top-level ``key``; skips when it is absent.

    It can be called in a test, in a fixture, or while a module is collected (which skips the
    module). Callers share one parsed copy: do not change it.
    """
    path = FOLDER / name
    if not path.is_file():
        pytest.skip(f"no vectors: {path} does not exist", allow_module_level=True)
    document = parse(path)
    if key is None:
        return document
    if key not in document:
        pytest.skip(f"no vectors: {path} has no key {key!r}", allow_module_level=True)
    return document[key]
