"""The Cython helpers beside this file, compiled when first asked for."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

from peers import Missing

__all__ = ["compiled"]


def compiled(name: str) -> Any:
    """The module of ``name``.pyx; Missing without a compiler's front end."""
    try:
        import pyximport
    except ImportError as error:
        raise Missing(str(error)) from error
    here = Path(__file__).resolve().parent
    for folder in (str(here.parent), str(here)):
        if folder not in sys.path:
            sys.path.insert(0, folder)
    pyximport.install(language_level=3)
    return importlib.import_module(name)
